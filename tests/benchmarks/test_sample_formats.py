import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluate import main
from benchmarks.suites.base import SuiteError
from benchmarks.suites.export import about_path, export_samples
from benchmarks.suites.registry import SuiteOptions, load_suite
from benchmarks.suites.samples import format_samples, read_samples
from domino.records import Problem, Program
from tests.benchmarks.livecodebench_rows import PUBLISHED, SOLUTIONS, case, dated, script_row
from tests.benchmarks.livecodebench_rows import write_rows as write
from tests.benchmarks.shared_data import shared_data
from tests.benchmarks.test_evaluate_cli import ROWS, SAMPLES
from tests.sandbox.machine import needs_bubblewrap

PROBLEMS = [
    Problem(
        id=key, prompt="def f(x):\n", entry_point="f", canonical_solution="", base_inputs=[],
        plus_inputs=[],
    )
    for key in ("a", "b")
]  # fmt: skip
PROGRAMS = [
    Program(id=f"{key}#{number}", problem_id=key, code=f"def f(x):\n    return {number}  # é\n")
    for key in ("a", "b")
    for number in range(2)
]
DAYS = ("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01")


@pytest.mark.parametrize("form", ["tasks", "questions", "predictions"])
def test_every_format_is_read_as_it_was_written(tmp_path: Path, form: Any) -> None:
    name, text = format_samples(form, PROGRAMS)
    plain, packed = tmp_path / name, tmp_path / f"{name}.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        read = read_samples(path, PROBLEMS)
        assert read.programs == PROGRAMS
        assert not read.broken


def test_the_formats_are_the_official_tools(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in format_samples("tasks", PROGRAMS)[1].splitlines()]
    assert rows[0] == {"task_id": "a", "solution": PROGRAMS[0].code}
    codes = [program.code for program in PROGRAMS]
    assert json.loads(format_samples("questions", PROGRAMS)[1]) == [
        {"question_id": "a", "code_list": codes[:2]},
        {"question_id": "b", "code_list": codes[2:]},
    ]
    assert json.loads(format_samples("predictions", PROGRAMS)[1])[0] == {
        "id": "a",
        "pred_list": codes[:2],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"question_id": "a", "code_list": [1]}]', "entry 1: 'code_list' is not a list of texts"),
        ('[{"question_id": "c", "code_list": []}]', "task 'c' is not in the data set"),
        ('[{"question_id": "a", "code_list": [""]}]', "no sample for 1 of 2 problems"),
        ('[{"question_id": "a", "code_list": []}]', "no sample for 2 of 2 problems"),
        ('[{"question_id": "a", "id": "a"}]', "entry 1: no sample"),
        ('[{"question_id": "a"}', r"samples.json: not JSON"),
    ],
)
def test_a_bad_list_is_refused_with_its_entry(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "samples.json"
    path.write_text(text)
    with pytest.raises(SuiteError, match=message):
        read_samples(path, PROBLEMS)


def humaneval(tmp_path: Path, lines: list[str]) -> list[str]:
    write(tmp_path / "data.jsonl", *ROWS)
    (tmp_path / "samples.jsonl").write_bytes(b"\n".join(line.encode("latin-1") for line in lines))
    return [
        *("--suite", "humaneval+", "--dataset", str(tmp_path / "data.jsonl")),
        *("--samples", str(tmp_path / "samples.jsonl"), "--workers", "1"),
    ]


@needs_bubblewrap
@pytest.mark.parametrize("broken", ['{"task_id": ', '{"a": "\xff"}'])
def test_broken_lines_are_named_and_the_rest_is_scored_as_a_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    lines = [json.dumps(sample) for sample in SAMPLES]
    out = tmp_path / "scores.json"
    arguments = humaneval(tmp_path, [lines[0], broken, *lines[2:]])
    assert main([*arguments, "--json", str(out)]) == 1
    shown = capsys.readouterr()
    assert "samples.jsonl, line 2: " in shown.err
    assert "NOT A SCORE OF THE SUITE: 3 of 4 problems are scored" in shown.out
    assert "1 lines could not be read" in shown.out
    document = json.loads(out.read_text())
    assert document["complete"] is False
    assert document["problems_without_sample"] == ["HumanEval/1"]
    assert len(document["verdicts"]) == 3


def test_more_missing_tasks_than_broken_lines_score_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(sample) for sample in SAMPLES]
    assert main(humaneval(tmp_path, [lines[0], "{", lines[3]])) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "no sample for 2 of 4 problems" in shown.err
    assert "samples.jsonl, line 2: " in shown.err


@needs_bubblewrap
def test_several_samples_of_a_task_are_averaged_by_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"task_id": "HumanEval/1", "solution": "def add(x): pass"}
    assert main(humaneval(tmp_path, [json.dumps(s) for s in (*SAMPLES, wrong)])) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[2].split() == ["base", "+", "plus", "2/5", "37.5", "%"]
    assert "problems: 4; samples each: 1 to 2" in shown


def livecodebench(tmp_path: Path) -> Path:
    rows = [dated(script_row(n), day, [case("5", str(5 + n))]) for n, day in enumerate(DAYS)]
    return write(tmp_path / "rows.jsonl", *rows)


@needs_bubblewrap
def test_a_runs_samples_are_scored_on_the_problems_of_that_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = livecodebench(tmp_path)
    suite = load_suite("livecodebench", SuiteOptions(dataset=dataset, cutoff=DAYS[2]))
    test = suite.problems("test")
    programs = [
        Program(id=f"{p.id}/{n}", problem_id=p.id, code=f"print(int(input()) + {number})")
        for number, p in zip((2, 9), test, strict=True)
        for n in range(2)
    ]
    samples = export_samples(tmp_path, suite, test, programs)
    assert samples.name == "samples.json"
    arguments = ["--suite", "livecodebench", "--dataset", str(dataset), "--samples", str(samples)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[2].split() == ["public", "+", "hidden", "2/4", "50.0", "%"]
    assert "problems: 2 (of 4 in the data set); samples each: 2" in shown


def test_samples_of_another_data_set_or_suite_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = livecodebench(tmp_path)
    suite = load_suite("livecodebench", SuiteOptions(dataset=dataset))
    everything = suite.everything()
    programs = [Program(id=p.id, problem_id=p.id, code="") for p in everything]
    samples = export_samples(tmp_path, suite, everything, programs)
    arguments = ["--suite", "livecodebench", "--dataset", str(dataset), "--samples", str(samples)]
    dataset.write_text(dataset.read_text() + "\n")
    about = about_path(samples)
    for change, message in (
        ({}, "were made for a data set with sha256"),
        ({"suite": "mbpp+"}, "belong to suite 'mbpp+'"),
        ({"task_ids": 3}, "does not say what the samples belong to"),
    ):
        about.write_text(json.dumps({**json.loads(about.read_text()), **change}))
        assert main(arguments) == 2
        shown = capsys.readouterr()
        assert message in shown.err
        assert shown.out == ""
        assert shown.err.count("\n") == 1


@needs_bubblewrap
def test_a_cutoff_scores_the_problems_from_that_day_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = livecodebench(tmp_path)
    samples = tmp_path / "late.json"
    samples.write_text(json.dumps([{"question_id": "script_3", "code_list": ["print(4)"]}]))
    arguments = ["--suite", "livecodebench", "--dataset", str(dataset), "--samples", str(samples)]
    assert main([*arguments, "--cutoff", DAYS[3]]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[2].split() == ["public", "+", "hidden", "0/1", "0.0", "%"]
    assert main(arguments) == 2


@needs_bubblewrap
def test_solutions_of_the_published_problems_score_8_of_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [{"question_id": key, "code_list": [code]} for key, code in SOLUTIONS.items()]
    samples = tmp_path / "samples.json"
    samples.write_text(json.dumps(entries))
    dataset = str(shared_data(PUBLISHED))
    arguments = ["--suite", "livecodebench", "--dataset", dataset, "--samples", str(samples)]
    assert main([*arguments, "--workers", "1"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split() == ["public", "8/8", "100.0", "%"]
    assert shown[2].split() == ["public", "+", "hidden", "8/8", "100.0", "%"]
