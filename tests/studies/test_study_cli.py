import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from benchmarks.cli.options import ALLOW_UNSANDBOXED
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError
from studies.loop import execute
from studies.run import make_parser, under
from studies.storage import open_storage, shown
from tests.benchmarks import tiny_run
from tests.studies import toy

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = """
--help --study --method --objective --choose --trials --sampler --pruner --prune-by --storage --seed
--config --output
--trials-only --allow-unsandboxed --json --plain --cells
"""


def test_the_options_are_these_and_no_others() -> None:
    shown_options = {s for a in make_parser()._actions for s in a.option_strings}
    assert shown_options - {"-h"} == set(OPTIONS.split())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "from studies.run import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print('HEAVY', sorted({'torch', 'optuna', 'mlflow', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "housestyle-quick" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.fixture
def line(no_backbone: Path, capsys: pytest.CaptureFixture[str]):
    """Run the command line, which has to fail, and return what it says."""

    def run(*arguments: str) -> str:
        assert toy.main([str(no_backbone), *arguments]) == 2
        (said,) = capsys.readouterr().err.strip().splitlines()
        assert said.startswith("studies.run: ")
        return said

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "toyy"], "no study is named 'toyy' (did you mean 'toy'"),
        ([], "the following arguments are required: --study"),
        (["--study", "toy", "--sampler", "tep"], "sampler: unknown 'tep' (did you mean 'tpe'"),
        (["--study", "toy", "--sampler", "grid"], "only the sampler 'grid' uses a grid"),
        (["--study", "toy", "--pruner", "x"], "pruner: unknown 'x'"),
        (["--study", "toy", "--prune-by", "x"], "prune_by: unknown 'x'"),
        (
            ["--study", "toy", "--pruner", "median", "--prune-by", "seeds"],
            "prune_by is 'seeds', but run.seeds has 1: pruning needs at",
        ),
        (["--study", "toy", "--method", "domino"], "method: unknown 'domino'; known: counting"),
        (["--study", "toy", "--trials", "0"], "trials is 0: give at least 1"),
        (["--study", "toy", "--trials", "many"], "argument --trials: invalid int value"),
        (
            ["--study", "toy", "--config", "nowhere.yaml"],
            "config file nowhere.yaml cannot be read: No such file",
        ),
        (["--study", "toy", "--json", "nowhere/x.json"], "give a file in a directory that exists"),
        (["--study", "toy", "--storage", "sqlite:////nowhere/x.db"], "unable to open database"),
        (["--study", "toy", "--storage", "/nowhere/x.journal"], "No such file or directory"),
        (["--study", "toy", "--storage", "nodb://here"], "storage nodb://here cannot be used"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in line(*arguments)


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_was(line, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a journal\n")
    said = line("--study", "toy", "--output", str(tmp_path / "runs"), "--storage", str(file))
    assert "cannot be used" in said
    assert file.read_text() == "not a journal\n"


def test_a_password_is_never_shown() -> None:
    assert shown("postgresql://me:secret@host:5/db") == "postgresql://me:***@host:5/db"
    assert (
        shown("mysql+pymysql://me@firm:s/e:c@r?t@host/db") == "mysql+pymysql://me@firm:***@host/db"
    )
    assert shown("postgresql://me@host/db?password=secret&x=1") == (
        "postgresql://me@host/db?password=***&x=1"
    )
    assert shown("sqlite:////a/b.db") == "sqlite:////a/b.db"
    assert shown("postgresql://me@host:5/db") == "postgresql://me@host:5/db"


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql"])
def test_a_server_that_cannot_be_used_is_said_without_the_password(
    scheme: str, line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # curly brackets, because Optuna takes a URL for a template
    refused = line("--study", "toy", "--storage", f"{scheme}://me:sec{{ret}}@127.0.0.1:1/db")
    assert "onnection refused" in refused
    split = line("--study", "toy", "--storage", f"{scheme}://me:sec@ret@127.0.0.1:1/db")
    assert "its password has an @ in it: write that as %40" in split
    monkeypatch.setitem(sys.modules, scheme.partition("+")[2], None)
    missing = line("--study", "toy", "--storage", f"{scheme}://me:secret@127.0.0.1:1/db")
    assert "Failed to import DB access module" in missing
    for said in (refused, split, missing):
        assert f"{scheme}://me:***@127.0.0.1:1/db" in said
        assert "sec" not in said
        assert "ret" not in said


def test_a_study_with_other_conditions_or_another_space_is_refused(
    line, no_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(tmp_path / "journal")
    output = str(tmp_path / "runs")
    given = ("--study", "toy", "--output", output, "--storage", journal)
    config = toy.study(no_backbone, tmp_path / "runs", storage=journal, trials=2)
    execute(config, plain=True, test=False, make_engine=tiny_run.make_engine)

    capsys.readouterr()
    file = tmp_path / "mine.yaml"
    file.write_text("pairs: 3\n")
    said = line(*given, "--config", str(file))
    assert f"{journal} holds another study named toy.counting (run.pairs is 5 there and 3" in said

    def wider(trial, run):
        return toy.with_options(run, "counting", {"supply": trial.suggest_int("supply", 1, 2000)})

    changed = toy.replace(config, spaces={"counting": wider})
    with pytest.raises(ConfigError, match=r"another study .* was drawn from .*high=1000"):
        execute(changed, plain=True, test=False, make_engine=tiny_run.make_engine)
    study = optuna.load_study(study_name="toy.counting", storage=open_storage(journal))
    assert study.metric_names == [config.objective], "what optuna-dashboard calls its objective"
    assert len(study.get_trials()) == 2


def test_a_broken_machine_is_exit_code_1_and_the_same_command_goes_on(
    no_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    journal = str(tmp_path / "journal")
    arguments = [str(no_backbone), "--study", "toy", "--trials", "3", "--trials-only",
                 "--output", str(tmp_path / "runs"), "--storage", journal]  # fmt: skip

    def full(*_: object) -> float:
        raise StoreError("no space left to write x: make room and type the same command again")

    with monkeypatch.context() as broken:
        broken.setattr("tests.studies.toy.FORMULA", toy.replace(toy.FORMULA, measure=full))
        assert toy.main(arguments) == 1
    assert "studies.run: no space left to write x" in capsys.readouterr().err
    assert toy.main(arguments) == 0
    study = optuna.load_study(study_name="toy.counting", storage=open_storage(journal))
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL"] + ["COMPLETE"] * 3
    assert study.get_trials()[0].params == study.get_trials()[1].params


def test_what_runs_without_a_sandbox_is_allowed_for_trials_and_result_alike(
    no_backbone: Path, tmp_path: Path
) -> None:
    config = under(toy.study(no_backbone, tmp_path), ALLOW_UNSANDBOXED)
    assert config.run.sandbox.allow_unsandboxed
    assert config.final.sandbox.allow_unsandboxed
