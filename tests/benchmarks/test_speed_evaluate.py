"""Our evaluator beside evalplus's own: what is measured, and that both judge the same programs."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.common.process import clean_environment
from benchmarks.speed.__main__ import main
from benchmarks.speed.evaluate import EvaluateRow, compare, table, title
from benchmarks.speed.plans import EvaluatePlan
from benchmarks.speed.usage import CommandError, measure
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

DATASET = "evalplus/HumanEvalPlus-v0.1.9.jsonl.gz"
SAMPLES = "published/qwen2.5-coder-1.5b/humaneval.samples.jsonl.gz"
BURN = """
import subprocess, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
if len(sys.argv) == 2:
    kept = bytearray(b"x" * (64 << 20))
    child = subprocess.Popen([sys.executable, "-c", open(__file__).read(), "child", "killed"])
    burn(0.5)
    time.sleep(1.5)
    child.kill()
    burn(0.3)
    time.sleep(0.5)
    open(sys.argv[1], "w").close()
    time.sleep(1000)
else:
    burn(0.5)
    time.sleep(1000)
"""


def test_a_command_is_measured_with_its_processes_until_it_has_written_its_result(
    tmp_path: Path,
) -> None:
    script, done = tmp_path / "burn.py", tmp_path / "done"
    script.write_text(BURN.replace("open(__file__).read()", repr(BURN)))
    usage = measure(
        [sys.executable, str(script), str(done)],
        until=done,
        errors=tmp_path / "errors",
        environment=clean_environment(),
    )
    assert 1.2 < usage.cpu_s < 3, "two processes, one of which nobody waits for"
    assert usage.wall_s > 2.3
    assert 64 << 20 < usage.peak_bytes < 200 << 20


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="ValueError: broken"):
        measure(
            [sys.executable, "-c", "raise ValueError('broken')"],
            until=tmp_path / "never",
            errors=tmp_path / "errors",
            environment=clean_environment(),
        )


def test_the_table_names_what_was_measured() -> None:
    plan = EvaluatePlan(
        suite="mbpp+", dataset=Path("x/M.jsonl"), samples=Path("s"), limit=3, copies=2, workers=4
    )
    row = EvaluateRow(
        name="ours", programs=6, passed=4, wall_s=2.0, cpu_s=3.0, wall_ratio=0.4, cpu_ratio=0.6,
        peak_bytes=5 << 20,
    )  # fmt: skip
    lines = table(title(plan), [row]).splitlines()
    assert lines[0] == "mbpp+, M.jsonl, the first 3 problems, each 2 times, 4 workers"
    assert lines[2].split() == ["ours", "6", "4", "2.0", "0.40", "3.0", "0.60", "5"]


def test_a_missing_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ["--dataset", str(tmp_path / "none"), "--samples", str(tmp_path / "none")]
    assert main(["evaluate", *paths]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@needs_bubblewrap
@pytest.mark.slow
def test_both_evaluators_pass_the_same_programs(tmp_path: Path) -> None:
    plan = EvaluatePlan(
        suite="humaneval+", dataset=shared_data(DATASET), samples=shared_data(SAMPLES), limit=8
    )
    theirs, ours, theirs_again, ours_again = compare(plan)
    assert (theirs.name, theirs.programs) == ("evalplus", 8)
    assert (ours.name, ours.passed) == ("ours", theirs.passed)
    assert theirs.wall_ratio == theirs.cpu_ratio == 1
    assert ours.peak_bytes > 0
    assert theirs_again.passed == ours_again.passed == ours.passed
    assert theirs_again.wall_ratio == theirs_again.cpu_ratio == 1
    assert json.dumps(ours.values())
