"""The ordeal itself: it passes a run that survives, and it would find one that does not."""

import random
import sys
import time
from pathlib import Path

import pytest

from benchmarks.chaos.__main__ import main, words
from benchmarks.chaos.compare import Stored, differences, same_table
from benchmarks.chaos.harm import LimitedFiles, attempt, tear_tail
from benchmarks.chaos.ordeal import (
    BrokenPromiseError,
    OrdealConfig,
    OrdealError,
    OrdealResult,
    hold,
)
from domino import records
from domino.records import Dropped
from tests.benchmarks.conftest import NO_MLFLOW
from tests.sandbox.machine import needs_bubblewrap
from tests.stages.small import fresh, source


def command(model: Path, methods: str) -> list[str]:
    options = ["--model", str(model), "--methods", methods, "--tracking_uri", NO_MLFLOW]
    return [sys.executable, "-m", "tests.benchmarks.tiny_run", *options]


def held(tmp_path: Path, run: list[str], **changes: object) -> tuple[OrdealResult, list[str]]:
    said: list[str] = []
    config = OrdealConfig(command=run, work=tmp_path / "work", mount=False, **changes)  # type: ignore[arg-type]
    return hold(config, said.append), said


@needs_bubblewrap
def test_a_run_that_is_killed_torn_and_starved_ends_as_the_undisturbed_one(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    run = command(tiny_backbone, "no-data")
    outcome, said = held(tmp_path, run, kills=1, tails=1.0, full_disks=1.0)
    assert outcome.differences == []
    assert (outcome.kills, outcome.tails, outcome.full_disks) == (1, 1, 1)
    assert outcome.records > 0
    assert any(line.startswith("kill 1/1 in run ") for line in said)


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_fine_tunes_survives_many_kills(tiny_backbone: Path, tmp_path: Path) -> None:
    run = command(tiny_backbone, "no-data,counting")
    outcome, _ = held(tmp_path, run, kills=12, tails=0.5, full_disks=0.3)
    assert outcome.differences == []
    assert outcome.tails > 0
    assert outcome.full_disks > 0


FORGETFUL = """
import json, pathlib, sys, time
root = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
stage = root / "stages" / "one"
again = stage.exists()
CHECK
if not (stage / "manifest.json").exists():
    stage.mkdir(parents=True, exist_ok=True)
    with (stage / "kept.jsonl").open("a") as file:
        file.write('{"id": 1}\\n')
    time.sleep(0 if again or "undisturbed" in str(root) else 60)
    files = {"kept.jsonl": {"sha256": ""}}
    (stage / "manifest.json").write_text(json.dumps({"summary": {}, "files": files}))
pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text('{"methods": []}')
"""


def test_a_run_that_writes_a_record_twice_is_found_out(tmp_path: Path) -> None:
    program = tmp_path / "forgetful.py"
    program.write_text(FORGETFUL.replace("CHECK", ""), encoding="utf-8")
    outcome, _ = held(tmp_path, [sys.executable, str(program)], kills=8, tails=0, full_disks=0)
    line = outcome.differences[0]
    assert line.startswith("run 1: records one/kept.jsonl: expected ")


BRIEFLY_TORN = """
import json, pathlib, sys, time
root = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
stage = root / "stages" / "one"
stage.mkdir(parents=True, exist_ok=True)
if not (stage / "manifest.json").exists():
    if "undisturbed" not in str(root):
        time.sleep(1.5)
    if HOLDS:
        (stage / "kept.jsonl").write_text('{"id": 1}\\n')
        time.sleep(0.5)
    files = {"kept.jsonl": {"sha256": ""}} if HOLDS else {}
    (stage / "manifest.json").write_text(json.dumps({"summary": {}, "files": files}))
pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text('{"methods": []}')
"""


def test_a_kill_with_a_torn_tail_waits_for_an_instant_with_something_to_tear(
    tmp_path: Path,
) -> None:
    program = tmp_path / "brief.py"
    program.write_text(BRIEFLY_TORN.replace("HOLDS", "True"), encoding="utf-8")
    outcome, said = held(tmp_path, [sys.executable, str(program)], kills=1, tails=0.1, full_disks=0)
    assert (outcome.kills, outcome.tails, outcome.runs) == (1, 1, 1)
    assert "one/kept.jsonl: " in said[1]


def test_what_was_asked_and_cannot_happen_is_said_and_ends(tmp_path: Path) -> None:
    program = tmp_path / "barren.py"
    program.write_text(BRIEFLY_TORN.replace("HOLDS", "False"), encoding="utf-8")
    outcome, said = held(tmp_path, [sys.executable, str(program)], kills=1, tails=1, full_disks=1)
    assert outcome.owed == {"kills": 0, "tails": 1, "full_disks": 1}
    assert outcome.differences == []
    assert any("in spite of a full disk" in line for line in said)
    assert any("ended before kill 1" in line for line in said)
    assert "(asked and not dealt: 1 torn tails, 1 full disks)" in words(outcome)


def test_a_run_that_cannot_resume_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "stubborn.py"
    check = "assert 'undisturbed' in str(root) or not again"
    program.write_text(FORGETFUL.replace("CHECK", check), encoding="utf-8")
    with pytest.raises(BrokenPromiseError, match=r"must end with 0, not with 1: .*AssertionError"):
        held(tmp_path, [sys.executable, str(program)], kills=8, tails=0, full_disks=0)


def test_no_run_begins_once_the_minutes_are_over_and_the_last_one_still_ends(
    tmp_path: Path,
) -> None:
    program = tmp_path / "able.py"
    program.write_text(FORGETFUL.replace("CHECK", ""), encoding="utf-8")
    run = [sys.executable, str(program)]
    outcome, _ = held(tmp_path, run, kills=10_000, minutes=0.02, tails=0, full_disks=0)
    assert 1 <= outcome.runs < 100
    last = tmp_path / "work" / f"disturbed-{outcome.runs}" / "runs"
    assert (last / "stages" / "one" / "manifest.json").exists()


def test_what_differs_is_named_and_clocks_do_not_count(tmp_path: Path) -> None:
    def store(name: str, reason: str) -> Stored:
        source(tmp_path / name, "d.jsonl", [Dropped(id="1", stage="s", reason=reason)])
        return Stored.at(tmp_path / name)

    whole = store("whole", "bad")
    assert whole.count == 1
    assert differences(whole, store("same", "bad")) == []
    (line,) = differences(whole, store("other", "worse"))
    assert line.startswith("records source-")
    assert "worse" in line
    unfinished = fresh(tmp_path / "same", "late")
    unfinished.append("d.jsonl", Dropped(id="1", stage="s", reason="r"))
    (line,) = differences(whole, Stored.at(tmp_path / "same"))
    assert line == f"stage {unfinished.path.name}: one too many"
    report = {"stored": "a", "seconds": 1, "reused": 0, "methods": [{"method": "a", "seconds": 1}]}
    assert same_table(report, {**report, "stored": "b", "seconds": 2, "reused": 9})
    assert not same_table(report, {**report, "methods": [{"method": "b", "seconds": 1}]})


def test_which_programs_ran_again_alone_is_the_machines_and_their_outcomes_are_not(
    tmp_path: Path,
) -> None:
    def store(name: str, outcome: records.Outcome, *, retried: bool) -> Stored:
        verdict = records.Verdict(
            program_id="a", problem_id="b", base=outcome, plus=outcome, retried=retried
        )
        source(tmp_path / name, "verdicts.jsonl", [verdict])
        return Stored.at(tmp_path / name)

    whole = store("whole", records.Outcome.WRONG, retried=False)
    assert differences(whole, store("busy", records.Outcome.WRONG, retried=True)) == []
    assert differences(whole, store("other", records.Outcome.PASSED, retried=True)) != []
    report = {"methods": [{"method": "a", "retried_timeouts": 0}]}
    assert same_table(report, {"methods": [{"method": "a", "retried_timeouts": 1}]})


def test_only_files_of_unfinished_stages_are_torn(tmp_path: Path) -> None:
    source(tmp_path, "d.jsonl", [Dropped(id="1", stage="s", reason="r")])
    assert tear_tail(tmp_path, random.Random(0)) is None
    stage = fresh(tmp_path, "open")
    for number in range(20):
        stage.append("d.jsonl", Dropped(id=str(number), stage="s", reason="r"))
    before = (stage.path / "d.jsonl").read_bytes()
    said = tear_tail(tmp_path, random.Random(0))
    assert said is not None
    assert said.startswith(f"{stage.path.name}/d.jsonl: ")
    assert (stage.path / "d.jsonl").read_bytes() != before


def test_a_kill_takes_the_whole_process_group(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = (
        f"import time, pathlib\nwhile True: pathlib.Path({str(beat)!r}).touch(); time.sleep(.05)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    began = time.monotonic()
    while not beat.exists():  # a busy machine may need longer to start two interpreters
        assert time.monotonic() - began < 60
        ended = attempt([sys.executable, "-c", parent], lifetime_s=1.0 + time.monotonic() - began)
    assert ended.code is None
    last = beat.stat().st_mtime_ns
    time.sleep(0.3)
    assert beat.stat().st_mtime_ns == last


def test_limited_files_stop_a_program_that_writes_more(tmp_path: Path) -> None:
    before = LimitedFiles(5000).fill(random.Random(0))
    code = f"import pathlib; pathlib.Path({str(tmp_path / 'large')!r}).write_bytes(bytes(5000))"
    ended = attempt([sys.executable, "-c", code], before=before)
    assert ended.code == 1
    assert "File too large" in ended.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kills", "0"], "kills is 0: give at least 1"),
        (["--minutes", "0"], "minutes is 0.0: give more than 0"),
        (["--tails", "2"], "tails is 2.0: give a share from 0 to 1"),
        (["--work", "."], "work . is not an empty directory"),
        (["--kill", "3"], "--kill 3; see --help"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_fails_undisturbed_is_told_before_any_kill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--work", str(tmp_path / "work"), "--", "--suite", "no-such"]) == 2
    assert "undisturbed run fails with exit code 2" in capsys.readouterr().err
    with pytest.raises(OrdealError):
        OrdealConfig(command=[], work=tmp_path, full_disks=-1)
