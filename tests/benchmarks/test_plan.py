import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from benchmarks.cli.options import read_command
from benchmarks.common.fields import ConfigError
from benchmarks.config.presets import PAPER_BACKBONES, PRESETS, load_preset
from benchmarks.planning.calibration import Sample, solve, solve_rows
from benchmarks.planning.devices import DEVICES, MeasuredSpeed
from benchmarks.planning.flops import batched
from benchmarks.planning.lengths import Assumptions, PlanRequest
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.shapes import PUBLISHED, find_shape
from benchmarks.planning.show import magnitude
from benchmarks.planning.stages import SHARED
from benchmarks.planning.work import Cost, Generation, Machine
from benchmarks.run import main
from benchmarks.suites.housestyle.backbone import CHECKPOINT

PAPER = sorted(name for name in PRESETS if name.startswith("paper-"))
LCB = "paper-lcb-generation-7b"


def plan(*arguments: str, device: str = "h100-80gb", **assumed: float) -> Plan:
    config = read_command(arguments).config
    return make_plan(config, PlanRequest(device=device, assumed=Assumptions(**assumed)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "billions", "met"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", 7.62, 6.53),
        ("Qwen/Qwen2.5-Coder-14B-Instruct", 14.8, 13.1),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct", 15.7, 2.24),
    ],
)
def test_shapes_have_as_many_weights_as_published(model: str, billions: float, met: float) -> None:
    shape = find_shape(model)
    assert shape.all_weights == pytest.approx(1e9 * billions, rel=0.01)
    assert shape.body_weights == pytest.approx(1e9 * met, rel=0.01)


def test_what_a_teacher_computes_is_left_out_and_said() -> None:
    teacher = ("--responder", "teacher", "--teacher.model", "any", "--methods", "few-shot,teacher")
    found = plan("--preset", LCB, *teacher)
    plain = plan("--preset", LCB, "--methods", "few-shot")
    assert found.costs["few-shot"]["respond"].new_tokens == 0
    assert plain.costs["few-shot"]["respond"].new_tokens > 0
    assert found.costs["teacher"]["evaluate"].new_tokens == 0
    assert "What the teacher computes is not planned." in found.notes


def test_the_shipped_backbones_shape_is_that_of_its_weights() -> None:
    total = 0
    for file in CHECKPOINT.glob("*.safetensors"):
        with safe_open(file, "numpy") as weights:
            names = weights.keys()
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    # Norms and biases are left out.
    assert find_shape("housestyle").all_weights == pytest.approx(total, rel=0.01)


def test_a_directory_with_a_config_alone_is_enough(tmp_path: Path) -> None:
    name = "Qwen/Qwen2.5-Coder-7B-Instruct"
    (tmp_path / "config.json").write_text(json.dumps(dict(PUBLISHED[name])))
    assert find_shape(str(tmp_path)) == find_shape(name)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_runs_are_planned_without_data_model_or_gpu(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    model = ["--model", PAPER_BACKBONES["7b"]] if name == "paper-official" else []
    assert main(["--plan", "--preset", name, *model, "--json", "plan.json"]) == 0
    printed = capsys.readouterr().out
    assert "By stage" in printed
    assert "assumed" in printed
    values = json.loads((tmp_path / "plan.json").read_text())
    assert values["device"]["name"] == "h100-80gb"
    assert set(values["stages"]) >= {"synthesize", "respond", "finetune", "evaluate"}
    assert values["total"]["seconds"] > 3600
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_json_alone_is_the_whole_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan", "--preset", LCB, "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    stages = values["stages"].values()
    assert values["total"]["flops"] == pytest.approx(sum(stage["flops"] for stage in stages))
    assert values["lengths"]["response_tokens"]["source"] == "assumed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plan", "--device", "h10-80gb"], "did you mean 'h100-80gb'"),
        (["--plan", "--model", "someone/unheard-of"], "its shape is not known here"),
        (["--device", "h100-80gb"], "add --plan or remove them"),
        (["--assume.problems", "3"], "add --plan or remove them"),
        (["--plan", "--assume.kept_share", "2"], "give a share of at most 1"),
        (["--plan", "--assume.problems", "-1"], "assume.problems is -1: give 0 or more"),
        (["--plan", "--assume.problems", "some"], "--assume.problems is 'some': give integer"),
        (["--plan", "--suite", "mbpp+", "--model", PAPER_BACKBONES["7b"],
          "--suite_options.dataset", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_model_that_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(ConfigError, match="model_type 'mamba' cannot be counted; known are"):
        find_shape(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="lacks 'hidden_size'"):
        find_shape(str(tmp_path))


def test_counts_of_the_data_at_hand_replace_assumptions_and_given_ones_replace_both() -> None:
    counted = plan(device="a100-80gb").lengths
    assert counted["problems"].value == 1024
    assert counted["problem_tokens"].source == "counted by the model's tokenizer"
    given = plan(device="a100-80gb", problems=7, problem_tokens=11).lengths
    assert (given["problems"].value, given["problems"].source) == (7, "given")
    assert given["problem_tokens"].value == 11


def test_twice_as_long_responses_are_twice_the_new_tokens() -> None:
    one, two = (plan("--preset", LCB, response_tokens=n).stages["respond"] for n in (400, 800))
    assert two.new_tokens == pytest.approx(2 * one.new_tokens)
    assert two.flops > one.flops
    assert two.seconds > 1.5 * one.seconds


def test_a_stage_of_every_seed_is_counted_and_the_greedy_backbones_evaluation_once() -> None:
    once = plan("--methods", "no-data,few-shot")
    seeds = plan("--methods", "no-data,few-shot", "--seeds", "0,1,2")
    few = "few-shot"
    assert seeds.costs[few]["finetune"].flops == 3 * once.costs[few]["finetune"].flops
    assert seeds.costs["no-data"]["evaluate"] == once.costs["no-data"]["evaluate"]
    sampled = ("--evaluate.temperature", "0.5")
    seeds = plan("--methods", "no-data", "--seeds", "0,1", *sampled)
    once = plan("--methods", "no-data", *sampled)
    evaluated = [p.costs["no-data"]["evaluate"].new_tokens for p in (once, seeds)]
    assert evaluated[1] == 2 * evaluated[0]


def test_operations_of_a_generation_are_those_of_each_token_in_turn() -> None:
    machine = Machine(device=DEVICES["h100-80gb"], shape=find_shape("housestyle"))
    piece = Generation(requests=5, prompt=0, new=17, limit=20, shared=1900)
    slow = batched(1900, [17] * 5).forward(machine.shape)
    # `batched` has the logits behind the prompt once, and the piece those of each request.
    assert piece.cost(machine).flops == pytest.approx(slow, rel=1e-3)
    assert piece.cost(machine).new_tokens == 85


def test_a_prompt_of_several_responses_is_read_once_by_our_engine_and_each_time_by_vllm() -> None:
    shape = find_shape("housestyle")
    wide = Generation(requests=80, prompt=50, new=20, limit=20, each=8)
    alone = replace(wide, each=1)
    ours = Machine(device=DEVICES["h100-80gb"], shape=shape)
    saved = alone.cost(ours).flops - wide.cost(ours).flops
    assert saved == 70 * batched(50, [1]).forward(shape)
    paged = replace(ours, paged=True)
    assert wide.cost(paged).flops == alone.cost(paged).flops


def test_decoding_is_bound_by_memory_with_few_rows_and_by_operations_with_many() -> None:
    device = replace(DEVICES["h100-80gb"], graphs=MeasuredSpeed(share=0.4))
    shape = find_shape("Qwen/Qwen2.5-Coder-7B-Instruct")
    work = Generation(requests=4096, prompt=1, new=200, limit=200, a_call=4096)

    def seconds(rows: int, device: Any) -> float:
        return work.cost(Machine(device=device, shape=shape, rows=rows, paged=True)).seconds

    narrow = replace(device, bytes_per_s=device.bytes_per_s / 2)
    slow = replace(device, flops_per_s=device.flops_per_s / 2)
    assert seconds(1, narrow) == pytest.approx(2 * seconds(1, device), rel=0.02)
    assert seconds(1, slow) == pytest.approx(seconds(1, device), rel=0.02)
    assert seconds(1024, slow) > 1.8 * seconds(1024, device)


def test_what_does_not_fit_the_device_is_said_with_a_remedy() -> None:
    arguments = ("--preset", "paper-lcb-generation-14b")
    labels = ("--method_options.domino.padding", "labels")
    assert not any("DOES NOT FIT" in note for note in plan(*arguments).notes)
    (note,) = [n for n in plan(*arguments, *labels).notes if "DOES NOT FIT" in n]
    assert "synthesize needs about" in note
    assert "padding ignored" in note
    small = plan(*arguments, device="l4-24gb").notes
    assert sum("DOES NOT FIT" in note for note in small) > 1


def test_the_fit_has_its_own_share_and_prompt_tuning_less_of_it() -> None:
    run = plan("--preset", LCB)
    work = {m: run.costs[m]["synthesize"].flops for m in ("domino", "prompt-tuning")}
    drawn = plan("--preset", LCB, "--method_options.domino.epochs", "1")
    assert work["prompt-tuning"] < work["domino"]
    assert drawn.costs["domino"]["synthesize"].flops < work["domino"]


def test_the_plans_presets_are_the_papers_run() -> None:
    generation, execution = load_preset(LCB), load_preset("paper-lcb-execution-7b")
    assert (generation.draws, execution.draws) == (80_000, 40_000)
    assert (generation.sampling.temperature, execution.sampling.temperature) == (0.8, 0.6)
    for config in (generation, execution):
        options = config.method_options["domino"]
        assert (options["domain_tokens"], options["sample_tokens"]) == (256, 256)
        assert (options["epochs"], options["batch_size"], options["learning_rate"]) == (10, 3, 1e-3)
        assert (config.evaluate.samples, config.evaluate.temperature) == (10, 0.2)
        assert config.evaluate.ks == (1, 5, 10)
        assert config.filter.instruction_grades == ("excellent",)
        assert config.response_sampling.max_new_tokens == 4096
    models = {load_preset(f"paper-lcb-generation-{end}").model for end in PAPER_BACKBONES}
    assert models == set(PAPER_BACKBONES.values())


def test_paces_are_found_again_in_the_times_that_they_make() -> None:
    layers = find_shape("housestyle").layers
    true, peak = MeasuredSpeed(share=0.25, pass_s=1e-4), 1e9

    def sample(passes: float, rows: float, flops: float, row_s: float = 0.0) -> Sample:
        taken = passes * (layers * true.pass_s + rows * row_s) + flops / (peak * true.share)
        return Sample(seconds=taken, passes=passes, rows=rows, flops=flops)

    found = solve([sample(1, 4, 1e6), sample(1, 32, 9e6)], peak)
    assert found.share == pytest.approx(true.share)
    assert found.pass_s == pytest.approx(true.pass_s)
    rows = solve_rows([sample(48, 1, 1e6, 2e-5), sample(50, 64, 5e7, 2e-5)], true.share, peak)
    assert rows.pass_s == pytest.approx(true.pass_s)
    assert rows.row_s == pytest.approx(2e-5)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, ""), (7, "7"), (999.4, "999"), (999.6, "1 k"), (999_600, "1 M"), (1.204e18, "1.2 E")],
)
def test_counts_are_shown_with_three_digits_and_the_prefix_of_their_size(
    value: float, shown: str
) -> None:
    assert magnitude(value) == shown


def test_more_devices_take_rows_at_the_same_time_until_the_longest_row_is_left() -> None:
    made = plan("--preset", LCB, "--seeds", "0,1,2,3,4")
    shared = made.methods[SHARED].seconds
    rows = made.row_seconds
    assert made.seconds_on(1) == pytest.approx(made.total.seconds)
    assert made.seconds_on(1000) == pytest.approx(shared + max(rows.values()))
    times = [made.seconds_on(count) for count in (1, 2, 4, 8, 16, 32, 64)]
    assert times == sorted(times, reverse=True)
    work = made.total.seconds - shared
    for count, time in zip((2, 8), (times[1], times[3]), strict=True):
        assert work / count <= time - shared <= work / count + max(rows.values())


def test_costs_add_up_but_memory_of_which_the_most_counts() -> None:
    one = Cost(new_tokens=2, seconds=3, memory_bytes=5)
    other = Cost(new_tokens=1, seconds=1, memory_bytes=7)
    assert one + other == Cost(new_tokens=3, seconds=4, memory_bytes=7)
    assert one * 2 == Cost(new_tokens=4, seconds=6, memory_bytes=5)
