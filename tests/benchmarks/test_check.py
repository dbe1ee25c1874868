"""`benchmarks.check` says what is in files and names all that is wrong, before any model."""

import json
from pathlib import Path

import pytest

from benchmarks.check import main
from benchmarks.metrics.crossed import Design
from benchmarks.metrics.planned import detectable_difference
from tests.benchmarks import own_rows
from tests.benchmarks.own_rows import KINDS, file_of, write
from tests.sandbox.machine import needs_bubblewrap


@needs_bubblewrap
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_file_of_each_kind_is_counted_and_its_solutions_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main([str(file_of(tmp_path, kind, group="easy")), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "  6 problems (" in out
    assert "  group: easy 6\n" in out
    assert "  canonical solutions: 6 of 6, 6 pass\n" in out
    assert "smallest difference that 5 seeds × 6 problems can show: " in out
    assert "  nothing is wrong\n" in out


@needs_bubblewrap
def test_solutions_that_fail_are_named_with_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [own_rows.sql(0), own_rows.sql(1) | {"canonical_solution": "SELECT 5"}]
    assert main([str(write(tmp_path / "q.jsonl", *rows)), "--workers", "1"]) == 2
    out = capsys.readouterr().out
    assert "canonical solutions: 2 of 2, 1 pass" in out
    assert "q.jsonl, line 2: the canonical solution of 'q1' does not pass (wrong: " in out


def test_all_wrong_lines_of_all_files_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write(
        tmp_path / "p.jsonl", own_rows.target(0), own_rows.target(0), {"id": 3, "prompt": "x"}, [1]
    )
    examples = write(tmp_path / "e.jsonl", {"instruction": 5}, {"instruction": "x"})
    missing = tmp_path / "none.jsonl"
    assert main(["--no-run", str(problems), str(examples), str(missing)]) == 2
    out = capsys.readouterr().out
    assert "  3 lines wrong:\n" in out
    for line in (2, 3, 4):
        assert f"    {problems}, line {line}: " in out
    assert f"    {examples}, line 1: instruction is a int" in out
    assert f"    data cannot be read from {missing}: No such file" in out


def test_examples_that_repeat_a_problem_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = file_of(tmp_path, "target")
    examples = write(
        tmp_path / "e.jsonl", {"instruction": "Say hello.", "response": "hello"},
        {"instruction": own_rows.target(3)["prompt"], "response": "6"},
    )  # fmt: skip
    assert main(["--no-run", str(problems), str(examples)]) == 0
    out = capsys.readouterr().out
    assert "  2 examples (instruction and response), 2 with a response\n" in out
    assert "1 example repeating a problem" in out
    assert f"    {examples}, line 2: repeats a problem (3: " in out


def test_what_was_found_is_written_for_machines(tmp_path: Path) -> None:
    path = file_of(tmp_path, "target", split="test")
    out = tmp_path / "out.json"
    assert main(["--no-run", "--json", str(out), str(path), "--seeds", "2"]) == 0
    [found] = json.loads(out.read_text())
    assert found["file"] == str(path)
    assert "split: test 6" in found["facts"]
    assert "methods are compared from 4 seeds and 2 test problems on" in found["facts"]
    assert found["wrong"] == []


def test_columns_of_other_names_can_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "e.jsonl", {"question": "x", "answer": "y"})
    assert main([str(path), "--fields", "instruction=question,response=answer"]) == 0
    assert "1 example (instruction and response), 1 with a response" in capsys.readouterr().out


def test_more_seeds_and_more_problems_show_smaller_differences() -> None:
    few, seeds, problems = (
        detectable_difference(Design(seeds=s, problems=p)) for s, p in ((4, 50), (8, 50), (4, 500))
    )
    assert few is not None
    assert seeds is not None
    assert problems is not None
    assert few > seeds > problems > 0.01
    assert detectable_difference(Design(seeds=3, problems=50)) is None
