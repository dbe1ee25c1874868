import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.console import events
from benchmarks.console.display import Display
from benchmarks.console.events import Event, EventLog
from benchmarks.status import RunState, describe, main, read_state

ABOUT = {"suite": "small", "model": "m", "methods": ["no-data", "domino"], "seeds": [0]}


@pytest.fixture(autouse=True)
def every_event(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(events, "_PROGRESS_EVERY_S", 0.0)
    yield


@contextmanager
def display(output: Path) -> Iterator[tuple[Display, EventLog]]:
    log = EventLog(output)
    with Display(log) as shown:
        yield shown, log


def state(output: Path) -> RunState:
    (log,) = (output / "logs").iterdir()
    found = read_state(log, datetime.now(UTC))
    assert found is not None
    return found


def test_a_log_holds_one_line_an_event(tmp_path: Path) -> None:
    with display(tmp_path) as (shown, log):
        shown.line("before any work: bad input writes no log")
        assert not (tmp_path / "logs").exists()
        log.begin(ABOUT)
        shown.stage("no-data seed 0", 1, 8)
        shown.start("synthesize", 10)
        shown.advance(4)
        shown.note("loss 1.5")
        shown.stage("no-data seed 0", 2, 8)
        shown.reused("respond")
    (file,) = (tmp_path / "logs").iterdir()
    found = [Event.from_json(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [event.event for event in found] == [
        "run", "stage", "start", "progress", "progress", "stage", "reused", "end",
    ]  # fmt: skip
    assert found[0].about["methods"] == ["no-data", "domino"]
    assert (found[3].row, found[3].stage, found[3].done, found[3].total) == (
        "no-data seed 0", "synthesize", 4, 10,
    )  # fmt: skip
    assert found[4].text == "loss 1.5"
    assert found[-1].text == "finished"


def test_a_line_ends_where_json_has_it_end_and_what_cannot_be_read_ends_the_log(
    tmp_path: Path,
) -> None:
    with display(tmp_path) as (shown, log):
        log.begin(ABOUT)
        shown.line("a model's words: \u2028 \x85 \ud83d")
        log.name = "housestyle-1234"
    assert state(tmp_path).state == "finished"
    (file,) = (tmp_path / "logs").iterdir()
    whole = file.read_text(encoding="utf-8")
    event = Event(at="soon", event="end").to_json()
    for line in (event, "[" * 100_000, "{}", event.replace('"soon"', "5"), event[:20]):
        file.write_text(f"{whole}{line}\n", encoding="utf-8")
        assert state(tmp_path).state == "finished"


def test_a_run_that_has_ended_tells_its_name(tmp_path: Path) -> None:
    with display(tmp_path) as (_shown, log):
        log.begin(ABOUT)
        log.name = "housestyle-1234"
    assert state(tmp_path).state == "finished"
    assert "finished (saved as housestyle-1234)" in describe(state(tmp_path))


def test_what_runs_beside_the_stage_is_told_while_it_does(tmp_path: Path) -> None:
    with display(tmp_path) as (shown, log):
        log.begin(ABOUT)
        shown.stage("no-data seed 0", 1, 8)
        shown.start("synthesize", 10)
        shown.parallel("in parallel: domino seed 0 finetune 3/9")
        shown.advance(4)
        assert (
            "in parallel: domino seed 0 finetune 3/9" in describe(state(tmp_path)).splitlines()[-1]
        )
        shown.parallel("")
        shown.advance(1)
        assert "in parallel" not in describe(state(tmp_path))


def test_the_state_follows_a_run_from_outside(tmp_path: Path) -> None:
    with display(tmp_path) as (shown, log):
        log.begin(ABOUT)
        shown.stage("small", 1, 15)
        shown.reused("gold")
        assert (state(tmp_path).reused, state(tmp_path).done) == (1, 0)
        shown.stage("no-data seed 0", 2, 15)
        shown.start("synthesize", 100)
        shown.advance(40)  # what an earlier process did
        time.sleep(0.2)
        shown.advance(10)
        now = state(tmp_path)
        assert (now.state, now.row, now.stage) == ("running", "no-data seed 0", "synthesize")
        assert (now.items, now.total, now.of, now.done) == (50, 100, 15, 0)
        assert now.rate is not None
        assert now.rate < 60  # of this process alone
        assert now.left_s == pytest.approx(50 / now.rate)
        text = describe(now)
        assert "15 stages: 0 done, 1 reused, 0 failed, 1 running, 13 waiting" in text
        assert "no-data seed 0 synthesize: 50/100, " in text
        shown.line("FAILED no-data seed 0 in synthesize: it has no template")
        shown.stage("domino seed 0", 3, 15)
        assert "domino seed 0 starting: 0; last update" in describe(state(tmp_path))
        shown.waiting("synthesize: another process (pid 7) is writing it; waiting")
        now = state(tmp_path)
        assert (now.state, now.stage, len(now.failed)) == ("waiting", "synthesize", 1)
        assert "pid 7" in describe(now)
        assert "domino seed 0 synthesize: waiting; last update" in describe(now)
        assert "FAILED no-data seed 0" in describe(now)
    assert state(tmp_path).state == "finished"
    assert state(tmp_path).done == 1


@pytest.mark.parametrize(
    ("error", "expected", "why"),
    [
        (KeyboardInterrupt(), "interrupted", "repeat the command to resume"),
        (OSError("no space\nleft"), "stopped", "no space left"),
    ],
)
def test_how_a_run_ended_is_told(
    tmp_path: Path, error: BaseException, expected: str, why: str
) -> None:
    with pytest.raises(type(error)), display(tmp_path) as (shown, log):
        log.begin(ABOUT)
        shown.stage("small", 1, 15)
        shown.start("gold", 8)
        raise error
    assert (state(tmp_path).state, state(tmp_path).text) == (expected, why)
    text = describe(state(tmp_path))
    assert "0 running, 15 waiting" in text
    assert "ended in small gold: 0/8" in text


def test_a_killed_process_is_dead_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from benchmarks.console.display import Display\n"
        "from benchmarks.console.events import EventLog\n"
        "log = EventLog(Path(sys.argv[1]))\n"
        "shown = Display(log)\n"
        f"log.begin({ABOUT!r})\n"
        "shown.stage('no-data seed 0', 1, 8)\n"
        "shown.start('synthesize', 10)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (file,) = (tmp_path / "logs").iterdir()
    with file.open("a", encoding="utf-8") as torn:
        torn.write('{"event": "progr')
    found = state(tmp_path)
    assert (found.state, found.stage) == ("dead", "synthesize")
    assert "repeat the command to resume" in describe(found)


def test_the_command_shows_what_runs_else_the_last_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with display(tmp_path) as (_shown, log):
        log.begin(ABOUT)
    (first,) = (tmp_path / "logs").iterdir()
    first.rename(first.with_name("0.jsonl"))  # an older one
    assert main(["--output", str(tmp_path)]) == 0
    assert "small: no-data, domino; seeds 0; since " in capsys.readouterr().out
    with display(tmp_path) as (_shown, log):
        log.begin({**ABOUT, "suite": "other"})
        assert main(["--output", str(tmp_path), "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)
        assert (one["about"]["suite"], one["state"]) == ("other", "running")
        assert main(["--output", str(tmp_path), "--json", "--all"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_directory_without_logs_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path)]) == 2
    assert "has no logs of runs: give --output of a run" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file", encoding="utf-8")
    with display(tmp_path) as (shown, log):
        log.begin(ABOUT)
        shown.stage("row", 1, 1)
    assert (tmp_path / "logs").read_text(encoding="utf-8") == "a file"
