"""Several processes on one machine: the table of one, whatever happens to them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from benchmarks.config.launch_config import LocalConfig
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display
from benchmarks.console.events import LOGS, Event
from benchmarks.launch import local_tasks
from benchmarks.launch.local_process import PipeReporter
from benchmarks.launch.local_tasks import share_machine
from benchmarks.run import execute, main
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.launch import methods, runs
from tests.sandbox.machine import needs_bubblewrap

TWO = ("--local.processes", "2")


@pytest.mark.slow
@needs_bubblewrap
def test_two_processes_give_the_table_of_one_with_rows_at_the_same_time(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    monkeypatch.setenv(methods.MEET, str(meeting))
    command = runs.command(data, tiny_backbone, tmp_path / "runs", *TWO)
    found = runs.run(command, code=1)
    runs.assert_same(alone, found)
    assert re.search(r"finetune: done in [\d.]+ s; loss \d", found[2])  # shown from there too
    assert len(list(meeting.iterdir())) == 2
    (log,) = (tmp_path / "runs" / LOGS).iterdir()
    events = map(Event.from_json, log.read_text(encoding="utf-8").splitlines())
    counted = {
        event.stage: event.total
        for event in events
        if event.event == "start" and event.row == f"{runs.METHODS[0]} seed 0"
    }
    assert counted["synthesize"] == 8
    assert counted["finetune"] == 2


@contextmanager
def held_in_the_middle(
    data: Path, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """A run whose two methods wait after their first record, and go on at the end of the block.

    What it says is in `words`; it has ended when the block is left.
    """
    slow = folder / "slow"
    slow.mkdir()
    monkeypatch.setenv(methods.SLOW, str(slow))
    command = runs.command(data, model, folder / "runs", *TWO)
    with (
        words(folder).open("wb") as said,
        subprocess.Popen(command, stderr=said, cwd=runs.ROOT, env=runs.environment()) as child,
    ):
        try:
            drawn = (folder / "runs" / "stages").glob
            methods.wait_until(
                lambda: len(list(drawn("synthesize-*/synthetic.jsonl"))) >= 2, "too few were drawn"
            )
            served = [p for p in psutil.Process(child.pid).children() if "local_process" in name(p)]
            assert len(served) == 2
            (log,) = (folder / "runs" / LOGS).iterdir()
            others = re.compile(r'"parallel": "in parallel: \S+ seed \d synthesize \d/8"')
            methods.wait_until(lambda: others.search(log.read_text()) is not None, "nothing beside")
            yield child, served
        finally:
            (slow / "go on").touch()


def words(folder: Path) -> Path:
    return folder / "said"


def name(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def assert_goes_on(alone: Any, data: Path, model: Path, folder: Path) -> None:
    """The same command, typed again, gives the table and the records of a run left alone."""
    stage = folder / "runs" / "stages"
    half = {path: path.read_bytes() for path in stage.glob("synthesize-*/synthetic.jsonl")}
    assert half
    command = runs.command(data, model, folder / "runs", *TWO)
    runs.assert_same(alone, runs.run(command, code=1))
    assert all(path.read_bytes().startswith(text) for path, text in half.items())


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_in_one_line_and_it_goes_on(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_in_the_middle(data, tiny_backbone, tmp_path, monkeypatch) as (child, served):
        for process in served:
            process.kill()
    assert child.returncode == 1
    last = words(tmp_path).read_text().splitlines()[-1]
    assert "has died (signal 9)" in last
    assert "give a smaller --local.processes" in last
    assert_goes_on(alone, data, tiny_backbone, tmp_path)


@pytest.mark.slow
def test_ctrl_c_ends_the_records_in_flight_and_leaves_no_process(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_in_the_middle(data, tiny_backbone, tmp_path, monkeypatch) as (child, served):
        child.send_signal(signal.SIGINT)
        methods.wait_until(lambda: "Ctrl-C" in words(tmp_path).read_text(), "Ctrl-C was not heard")
    assert child.returncode == 130
    assert "repeat the command to resume" in words(tmp_path).read_text()
    assert not any(process.is_running() for process in served)
    assert_goes_on(alone, data, tiny_backbone, tmp_path)


@pytest.mark.slow
def test_processes_do_not_outlive_a_run_that_is_killed(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_in_the_middle(data, tiny_backbone, tmp_path, monkeypatch) as (child, served):
        child.kill()
        _, alive = psutil.wait_procs(served, timeout=60)
        assert alive == []
    assert_goes_on(alone, data, tiny_backbone, tmp_path)


def test_a_stage_tells_what_it_counts_and_whom_it_waits_for() -> None:
    ours, theirs = Pipe()
    reporter = PipeReporter(theirs)
    display = Display(reporter)
    display.stage("no-data seed 0", 1, 1)
    reporter.send()
    assert not ours.poll()  # nothing is counted yet
    display.waiting("process 7 of this machine")
    assert ours.recv().waiting == "process 7 of this machine"
    display.start("respond", 600)
    assert ours.recv().waiting == "process 7 of this machine"
    assert ours.recv().part == 1
    for _ in range(600):
        display.advance()
    display.line("a message")
    display.start("respond", None)
    display.note("loss 0.5")
    reporter.send()
    assert reporter.lines == ["a message"]
    states = []
    while ours.poll():
        states.append(ours.recv())
    *_, whole, again, last = states
    assert (whole.label, whole.total) == ("respond", 600)
    assert (whole.part, whole.done) == (1, 600)
    assert (again.part, again.total, again.done) == (2, None, 0)
    assert (last.part, last.note) == (2, "loss 0.5")


def test_auto_is_a_process_a_core_as_far_as_rows_and_memory_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Mock(available=100 << 30))
    monkeypatch.setattr(local_tasks, "_has_gpu", lambda: False)
    auto, two = LocalConfig(processes=None), LocalConfig(processes=2)
    few = RunConfig(methods=("few-shot", "domino"), local=auto)
    many = replace(few, seeds=tuple(range(20)))
    assert share_machine(many, tmp_path) == (4, 1)
    assert share_machine(few, tmp_path) == (2, 1)  # threads are those of many rows
    assert share_machine(replace(many, local=two), tmp_path) == (2, 2)
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(5 << 30)
    assert share_machine(many, tmp_path) == (2, 2)
    monkeypatch.setattr(local_tasks, "_has_gpu", lambda: True)
    assert share_machine(many, tmp_path) == (1, 4)
    assert share_machine(replace(many, local=two), tmp_path) == (2, 2)


@needs_bubblewrap
def test_engines_that_are_given_are_used_in_this_process(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    with tiny_run.names():  # which no other process knows
        config = tiny_run.config(
            tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW, local=LocalConfig(processes=2)
        )
        report = execute(config, quiet=True, make_engine=tiny_run.make_engine)
    assert not report.failed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--local.processes", "0"], "processes is 0: give at least 1, or null"),
        (["--local.processes", "2", "--engine", "vllm"], "set local.processes to 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--output", str(tmp_path / "runs"), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()
