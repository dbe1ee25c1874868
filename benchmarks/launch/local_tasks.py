"""Runs the stages of several rows at the same time, in processes on this machine."""

from __future__ import annotations

import functools
import heapq
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.process import cores
from benchmarks.common.words import counted
from benchmarks.console.display import ProgressEvent
from benchmarks.launch.errors import LaunchError
from benchmarks.launch.local_process import STOP
from benchmarks.launch.tasks import Tasks
from benchmarks.launch.worker import RunSpec, StageResult, StageTask

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline, StageCall

_NOTHING = ProgressEvent(kind="line")
_ASK_EVERY_S = 0.2
_ENDING_S = 10.0
_STDERR = 2  # standard output of the run may be read by a program
_LIBRARIES_BYTES = 2 << 30
# Memory for weights, activations and optimiser while the backbone is trained, in sizes of weights.
_OF_WEIGHTS = 8
# Not by `python -m`: classes that it pickles would then belong to a module named __main__.
_SERVE = "from benchmarks.launch.local_process import main; main()"


def share_machine(config: RunConfig, model: Path) -> tuple[int, int]:
    """Return the number of processes of a run, and of threads per process.

    The number of threads does not depend on the number of rows, because it can change the last
    bits of a result.
    """
    places = config.local.processes
    if places is None:
        places = min(cores(), _fitting(model))
        places = 1 if places == 1 or _has_gpu() else places
    rows = len(config.methods) * len(config.seeds)
    return min(rows, places), max(1, cores() // places)


def _has_gpu() -> bool:
    from domino.backbone import pick_device

    return pick_device("auto") != "cpu"


def _fitting(model: Path) -> int:
    """Return how many processes fit into memory."""
    import psutil

    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    free: int = psutil.virtual_memory().available
    return max(1, free // (_LIBRARIES_BYTES + _OF_WEIGHTS * weights))


@dataclass(frozen=True, order=True, slots=True)
class _QueuedStage:
    """A stage that no process has taken yet; earlier rows go first."""

    row: int
    number: int
    task: StageTask = field(compare=False)
    future: Future[StageResult] = field(compare=False)


class LocalTasks(Tasks):
    """Runs stages in processes on this machine; a thread here communicates with each process."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Start no process yet; a process starts with its first stage."""
        super().__init__()
        config = pipeline.config
        rows = [f"{method} seed {seed}" for seed in config.seeds for method in config.methods]
        self._places = {row: number for number, row in enumerate(rows)}
        self._display = pipeline.display
        self._processes: list[_Process] = []
        self._idle: list[_Process] = []
        self._threads = 1
        self._waiting: list[_QueuedStage] = []
        self._numbers = itertools.count()
        self._states: dict[str, ProgressEvent] = {}
        self._running: dict[str, StageTask] = {}

    def stop(self) -> None:
        """End every process; a running stage finishes its current record or training step."""
        pending = [self._futures[address] for address in self._unfinished()]
        for future in pending:
            future.cancel()  # stages that no process has taken
        try:
            for process in self._processes:
                process.ask_to_stop()
            wait(pending)
        finally:  # also if Ctrl-C is pressed again
            for process in self._processes:
                process.end()

    def _begin(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        if not self._processes:
            self._prepare(pipeline)
        task = StageTask.of(call, model=pipeline.context.model, threads=self._threads)
        future: Future[StageResult] = Future()
        waiting = _QueuedStage(
            row=self._places.get(call.row, -1), number=next(self._numbers), task=task, future=future
        )
        heapq.heappush(self._waiting, waiting)  # the caller holds the lock
        if self._idle:
            process = self._idle.pop()
            threading.Thread(target=self._serve, args=[process], daemon=True).start()
        return future

    def _prepare(self, pipeline: Pipeline) -> None:
        """Choose the number of processes; a run whose stages are all finished needs none."""
        config = pipeline.config
        count, self._threads = share_machine(config, Path(pipeline.context.model))
        packed = RunSpec(config=config, directory=str(Path.cwd())).packed()
        self._processes = [_Process(packed, self._threads) for _ in range(count)]
        self._idle = list(self._processes)
        self._display.line(
            f"{counted(count, 'row')} at a time, each in a process with "
            f"{counted(self._threads, 'thread')} (--local.processes 1: one after the other)"
        )

    def _serve(self, process: _Process) -> None:
        """Give queued stages to a process until none is left."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.append(process)
                    return
                waiting = heapq.heappop(self._waiting)
            future, task = waiting.future, waiting.task
            if not future.set_running_or_notify_cancel():
                continue
            self._running[task.address] = task
            try:
                done = process.complete(task, functools.partial(self._keep, task.address))
            except BaseException as error:  # noqa: BLE001 - raised again by future.result()
                future.set_exception(error)
            else:
                future.set_result(done)
            finally:
                del self._running[task.address]

    def _keep(self, address: str, state: ProgressEvent) -> None:
        self._states[address] = state

    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        """Show the progress that the stage's process reports."""
        display, shown, address = pipeline.display, _NOTHING, call.stage.address
        while True:
            over = future.done()
            display.parallel("" if over else self._others(address))
            state = self._states.get(address, shown)
            if state.part != shown.part:
                display.resume(state.label, state.total, state.done, state.seconds)
            elif state.done > shown.done:
                display.advance(state.done - shown.done)
            if state.note != shown.note:
                display.note(state.note)
            if state.waiting != shown.waiting:
                display.waiting(state.waiting)
            shown = state
            if over:
                return
            wait([future], timeout=_ASK_EVERY_S)
            pipeline.store.between()

    def _others(self, address: str) -> str:
        """Return words for the stages that run at the same time."""
        running = list(self._running.items())
        others = [
            _words(task, self._states.get(at, _NOTHING)) for at, task in running if at != address
        ]
        return f"in parallel: {', '.join(others)}" if others else ""

    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        try:
            return future.result()
        except CancelledError as error:
            raise LaunchError("the run was stopped") from error
        except EOFError as error:
            raise LaunchError(
                f"{call.row}: the process of {call.stage.name} has died ({error}): if memory was "
                "short, give a smaller --local.processes; finished stages are stored: repeat the "
                "command to resume"
            ) from error


def _words(task: StageTask, state: ProgressEvent) -> str:
    of = f"/{state.total}" if state.total else ""
    return f"{task.row} {state.label or 'starting'}" + (f" {state.done}{of}" if of else "")


class _Process:
    """One process, started when it is first needed, and restarted after it died."""

    def __init__(self, packed: bytes, threads: int) -> None:
        """Do not start it yet."""
        self._packed = packed
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def complete(self, task: StageTask, notify: Callable[[ProgressEvent], None]) -> StageResult:
        """Have a stage completed, and pass its progress to `notify`.

        Raises:
            EOFError: the process died; the message has the signal or exit code.
            CancelledError: the run was stopped before.
            Exception: raised by the stage.
        """
        try:
            with self._lock:
                connection = self._connected()
                connection.send(task)
            while True:
                answer: Any = connection.recv()
                if isinstance(answer, ProgressEvent):
                    notify(answer)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    done: StageResult = answer
                    return done
        except (EOFError, ConnectionError) as error:
            raise EOFError(self._cause()) from error

    def ask_to_stop(self) -> None:
        """Ask the process to end its current stage, and send it no other."""
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                with suppress(OSError):
                    self._connection.send(STOP)

    def end(self) -> None:
        """Kill the process, even in the middle of a stage."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _connected(self) -> Connection:
        if self._stopped:
            raise CancelledError
        if self._connection is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _SERVE, str(theirs.fileno()), str(self._threads)],
                    stdin=subprocess.DEVNULL, stdout=_STDERR, pass_fds=[theirs.fileno()],
                )  # fmt: skip
            self._connection = Connection(ours.detach())
            self._connection.send_bytes(self._packed)
        return self._connection

    def _cause(self) -> str:
        """Return how the process ended, and forget it."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout=_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = self._connection = None
        return f"signal {-code}" if code < 0 else f"exit code {code}"
