import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli.options import make_parser, merge, read_command
from benchmarks.common.fields import ConfigError, leaves
from benchmarks.common.files import StoreError
from benchmarks.common.process import prepare_process
from benchmarks.config.presets import DEFAULT, load_preset
from benchmarks.metrics.sequential import ANALYSES
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]

OPTIONS = """
--help --help-all --preset --config --json --plain --quiet --until-decided
--suite --suite_options.domain --suite_options.track --suite_options.coherence
--suite_options.dataset --suite_options.references_path --suite_options.cutoff
--suite_options.split_seed --suite_options.folds --suite_options.fold
--suite_options.prompt --suite_options.task_ids --suite_options.environment --suite_options.protocol
--suite_options.extraction --suite_options.fields --fields
--model --chat_template --template_options --thought_end --attention
--engine --vllm.tensor_parallel --vllm.data_parallel --vllm.dtype --vllm.memory_share
--vllm.max_model_tokens --vllm.max_sequences --vllm.eager --vllm.start_timeout_s
--openai.base_url --openai.model --openai.key_variable --openai.concurrency
--openai.requests_per_minute --openai.retries --openai.timeout_s
--methods --method_options --seeds --references
--description --pairs --oversample --responder --shots
--teacher.model --teacher.engine --teacher.tokenizer --teacher.licence --teacher.consent
--teacher.base_url --teacher.key_variable --teacher.concurrency --teacher.requests_per_minute
--teacher.retries --teacher.timeout_s
--sampling.temperature --sampling.top_p --sampling.max_new_tokens --sampling.stop --sampling.seed
--response_sampling.temperature --response_sampling.top_p --response_sampling.max_new_tokens
--response_sampling.stop --response_sampling.seed
--filter.judge --filter.judge_instructions --filter.instruction_grades --filter.judge_responses
--filter.response_grades --filter.consistency --filter.consistency_samples
--filter.consistency_share
--decontaminate.ngram --decontaminate.common --decontaminate.similarity --decontaminate.pairs
--decontaminate.references
--finetune.rank --finetune.alpha --finetune.dropout --finetune.learning_rate
--finetune.warmup_share --finetune.steps --finetune.batch_size --finetune.micro_batch_size
--finetune.max_tokens --finetune.max_grad_norm --finetune.gradient_checkpointing
--finetune.quantize --finetune.references --accelerate.processes --accelerate.config
--evaluate.samples --evaluate.temperature --evaluate.top_p --evaluate.max_new_tokens --evaluate.ks
--evaluate.split --evaluate.limit --evaluate.shots --embed.model --embed.texts
--compare.contrasts --compare.margin --compare.until_decided
--sandbox.timeout_s --sandbox.input_timeout_s --sandbox.timeout_factor --sandbox.load_timeout_s
--sandbox.wall_factor
--sandbox.memory_mib --sandbox.processes --sandbox.file_mib --sandbox.output_mib --sandbox.workers
--sandbox.interpreter --sandbox.bubblewrap --sandbox.allow_unsandboxed --sandbox.golds
--launcher --local.processes --ray.address --ray.shards --ray.retries
--ray.generate.num_cpus --ray.generate.num_gpus --ray.generate.memory_mib
--ray.train.num_cpus --ray.train.num_gpus --ray.train.memory_mib
--ray.execute.num_cpus --ray.execute.num_gpus --ray.execute.memory_mib
--output --cells --store --tracking_uri --register_mib --allow-unsandboxed
--plan --device --assume.references --assume.problems --assume.reference_tokens
--assume.problem_tokens --assume.instruction_tokens --assume.response_tokens
--assume.solution_tokens --assume.kept_share --assume.program_s
"""


def test_the_options_are_these_and_no_others() -> None:
    text = make_parser(list(leaves(load_preset(DEFAULT)))).format_help()
    shown = re.findall(r"^  (?:-h, )?(--[\w.-]+)", text, re.MULTILINE)
    assert sorted(shown) == sorted(OPTIONS.split())


def test_help_shows_what_is_set_often_and_help_all_every_part(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = {}
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit, match="0"):
            main([option])
        texts[option] = capsys.readouterr().out
    assert "--pairs PAIRS" in texts["--help"]
    assert "--evaluate.ks" not in texts["--help"]
    assert "domino.domain_tokens 16" in texts["--help"]  # as it is given, not as Python prints it
    assert "see --help-all" in texts["--help"]
    assert "\nevaluate:\n  --evaluate.samples SAMPLES" in texts["--help-all"]
    assert len(texts["--help"].splitlines()) < 120  # what a reader takes in


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_libraries_are_told_to_wait_asleep_and_what_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for environment, policy in (({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")):
        monkeypatch.setattr(os, "environ", environment)
        prepare_process()
        assert environment["OMP_WAIT_POLICY"] == policy
        assert environment["TOKENIZERS_PARALLELISM"] == "false"


@pytest.mark.parametrize("command", ["run", "evaluate", "status"])
def test_help_answers_at_once_since_it_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys, contextlib\n"
        f"from benchmarks.{command} import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "heavy = {'torch', 'transformers', 'trl', 'mlflow', 'pandas', 'evalplus', 'scipy', 'ray'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
                          check=True)  # fmt: skip
    assert f"usage: python -m benchmarks.{command}" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_no_argument_is_the_default_preset() -> None:
    command = read_command([])
    assert command.config == load_preset(DEFAULT)
    assert command.json is None
    assert not command.plain


def test_later_sources_win_and_leave_the_rest(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("preset: smoke\npairs: 7\nseeds: [1]\nfinetune: {steps: 5, rank: 8}\n")
    second.write_text("pairs: 8\nfinetune: {steps: 6}\n")
    config = read_command(
        ["--config", str(first), "--config", str(second), "--finetune.steps", "9", "--methods",
         "domino,few-shot", "--seeds=3,4"]
    ).config  # fmt: skip
    smoke = load_preset("smoke")
    assert (config.pairs, config.seeds, config.methods) == (8, (3, 4), ("domino", "few-shot"))
    assert (config.finetune.steps, config.finetune.rank) == (9, 8)
    assert config.finetune.batch_size == smoke.finetune.batch_size
    assert config.sampling == smoke.sampling


def test_programs_run_unsandboxed_only_where_a_flag_allows_it(tmp_path: Path) -> None:
    forbidden = tmp_path / "a.yaml"
    forbidden.write_text("sandbox: {allow_unsandboxed: false, workers: 3}\n")
    assert not read_command([]).config.sandbox.allow_unsandboxed
    sandbox = read_command(["--config", str(forbidden), "--allow-unsandboxed"]).config.sandbox
    assert sandbox.allow_unsandboxed
    assert sandbox.workers == 3


def test_options_of_one_method_leave_those_of_the_preset() -> None:
    options = read_command(
        ["--preset", "smoke", "--method_options.few-shot.shots", "3",
         "--method_options.domino.extra=true"]
    ).config.method_options  # fmt: skip
    preset = load_preset("smoke").method_options
    assert options["few-shot"] == {"shots": 3}
    assert options["domino"] == {**preset["domino"], "extra": True}


def test_a_suite_without_a_preset_takes_none_of_the_dialects_options() -> None:
    config = read_command(["--suite", "humaneval+"]).config
    assert (config.suite, config.suite_options.track) == ("humaneval+", None)
    assert config.responder == "plain"
    assert read_command(["--suite", "housestyle"]).config == load_preset(DEFAULT)


def test_a_suite_with_a_preset_of_its_name_takes_it() -> None:
    suite = "housestyle-conventions"
    assert read_command(["--suite", suite]).config == load_preset(suite)
    chosen = read_command(["--suite", suite, "--preset", "smoke"]).config
    assert chosen.pairs == load_preset("smoke").pairs
    assert chosen.suite == suite


BAD = [
    (["--finetune.stepz", "3"], "unknown option --finetune.stepz (did you mean '--finetune.steps'"),
    (["--finetune.steps", "many"], "--finetune.steps is 'many': give integer"),
    (["--finetune.steps", "-3"], "finetune.steps is -3: give at least 1"),
    (["--finetune.steps"], "expected one argument"),
    (["--methods", "domini"], "did you mean 'domino'"),
    (["--suite", "housestile"], "did you mean 'housestyle'"),
    (["--preset", "housestyle-convention"], "did you mean 'housestyle-conventions'"),
    (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file"),
    (["--references", "1"], "references is 1"),
    (["--references", "100000"], "give a smaller --references"),
    (["--model", "/no/such/model"], "no such directory"),
    (["--model", "nowhere"], "no such directory"),
    (["--model", str(ROOT / "tests")], "is not a model directory: it has no config.json"),
    (["--suite_options.domain", "nowhere"], "nowhere"),
    (["--json", "/no/such/folder/x.json"], "directory that exists"),
    (["--method_options.domino.no_such", "3"], "method_options.domino.no_such"),
    (["--method_options.domino.steps"], "needs a value"),
    (["stray"], "unknown argument stray"),
    (["--responder", "references"], "references"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=str)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "runs"
    assert main(["--output", str(output), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("benchmarks.run: ")
    assert message in line
    assert not output.exists() or not (output / "stages").exists()


@pytest.mark.parametrize("text", ["- a\n", "finetune: 3\n", "finetun: {steps: 3}\n", "a: ["])
def test_a_bad_config_file_is_one_line_and_exit_code_2(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert main(["--config", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_module_exits_with_2() -> None:
    done = run_module("--pairs", "none")
    assert done.returncode == 2
    assert done.stderr == "benchmarks.run: --pairs is 'none': give integer\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreError("no space left to write x"), 1, "no space left"),
        (OSError(28, "No space left on device", "/x"), 1, "no space left to write /x"),
        (KeyboardInterrupt(), 130, "repeat the command to resume"),
    ],
    ids=str,
)
def test_a_machine_that_cannot_go_on_is_one_line(
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("benchmarks.run.execute", fail)
    assert main([]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("benchmarks.run.execute", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        main([])


def test_merging_prefers_what_is_above_and_changes_neither() -> None:
    below, above = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "c": {"z": 1}}
    assert merge(below, above) == {"a": {"x": 1, "y": 3}, "b": 1, "c": {"z": 1}}
    assert below == {"a": {"x": 1, "y": 2}, "b": 1}
    assert merge({"a": {"x": 1}}, {"a": None}) == {"a": None}


def test_until_decided_asks_for_as_many_seeds_as_its_last_analysis_needs() -> None:
    config = read_command(["--until-decided"]).config
    assert config.seeds == tuple(range(ANALYSES[-1]))
    assert config.compare.until_decided
    assert read_command(["--until-decided", "--seeds", "5,6,7,8"]).config.seeds == (5, 6, 7, 8)
    with pytest.raises(ConfigError, match="the first analysis needs 4"):
        read_command(["--until-decided", "--seeds", "5"])


def test_the_same_key_twice_is_the_last() -> None:
    assert read_command(["--pairs", "3", "--pairs", "4"]).config.pairs == 4
    with pytest.raises(ConfigError):
        read_command(["--pairs", "3", "--pairs", "x"])


HOARD = """
import resource, sys
from benchmarks.common.process import prepare_process
if sys.argv[1] == "prepared": prepare_process()
def work():
    return [bytearray(8 << 20) for _ in range(16)]  # zeros are written: each page is touched
for _ in range(2): work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8): work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    faults = {}
    for how in ("prepared", "left alone"):
        done = subprocess.run(
            [sys.executable, "-c", HOARD, how], capture_output=True, text=True, check=True
        )
        faults[how] = int(done.stdout)
    assert faults["prepared"] < faults["left alone"] / 10
