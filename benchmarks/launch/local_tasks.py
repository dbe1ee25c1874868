"""The stages of a run in several processes of this machine, rows at the same time."""

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
from benchmarks.launch.errors import LaunchError
from benchmarks.launch.local_process import STOP, StageProgress
from benchmarks.launch.tasks import Tasks
from benchmarks.launch.worker import RunSpec, StageResult, StageTask

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline, StageCall

_ASK_EVERY_S = 0.2
_ENDING_S = 10.0
_STDERR = 2  # the run's standard output may be read by a machine
_LIBRARIES_BYTES = 2 << 30
# Weights, activations and an optimiser's state while the backbone is trained, measured in weights.
_OF_WEIGHTS = 8
# Not as a module that is run: what it sends would then be of a module named __main__.
_SERVE = "from benchmarks.launch.local_process import main; main()"


def share_machine(config: RunConfig, model: Path) -> tuple[int, int]:
    """Return how many processes a run has, and how many threads each of them.

    Threads do not depend on how many rows there are: they can change the last bits of a row.
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
    """How many processes have room beside one another."""
    import psutil

    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    free: int = psutil.virtual_memory().available
    return max(1, free // (_LIBRARIES_BYTES + _OF_WEIGHTS * weights))


@dataclass(frozen=True, order=True, slots=True)
class _QueuedStage:
    """A stage that no process has taken; rows that come first go first."""

    row: int
    number: int
    task: StageTask = field(compare=False)
    future: Future[StageResult] = field(compare=False)


class LocalTasks(Tasks):
    """Stages in processes of this machine; each process has a thread here that speaks with it."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Nothing is asked for yet; a process starts when it has something to do."""
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
        self._states: dict[str, StageProgress] = {}
        self._running: dict[str, StageTask] = {}

    def stop(self) -> None:
        """End every process: a stage under way ends its record first, a training its steps."""
        pending = [self._futures[address] for address in self._unfinished()]
        for future in pending:
            future.cancel()  # what no process has taken
        try:
            for process in self._processes:
                process.ask_to_stop()
            wait(pending)
        finally:  # also where Ctrl-C was pressed once more
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
        heapq.heappush(self._waiting, waiting)  # whoever begins a stage holds the lock
        if self._idle:
            process = self._idle.pop()
            threading.Thread(target=self._serve, args=[process], daemon=True).start()
        return future

    def _prepare(self, pipeline: Pipeline) -> None:
        """Settle how many processes there are; a run that finds everything done needs none."""
        config = pipeline.config
        count, self._threads = share_machine(config, Path(pipeline.context.model))
        packed = RunSpec(config=config, directory=str(Path.cwd())).packed()
        self._processes = [_Process(packed, self._threads) for _ in range(count)]
        self._idle = list(self._processes)
        self._display.line(
            f"{counted(count, 'row')} at a time, each in a process of "
            f"{counted(self._threads, 'thread')} (--local.processes 1: one after the other)"
        )

    def _serve(self, process: _Process) -> None:
        """Have a process do what waits, until nothing does."""
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
            except BaseException as error:  # noqa: BLE001 - raised again by who asks for the stage
                future.set_exception(error)
            else:
                future.set_result(done)
            finally:
                del self._running[task.address]

    def _keep(self, address: str, state: StageProgress) -> None:
        self._states[address] = state

    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        """Show what the stage counts, as its process tells."""
        display, shown, address = pipeline.display, StageProgress(), call.stage.address
        while True:
            over = future.done()
            display.beside("" if over else self._others(address))
            state = self._states.get(address, shown)
            if state.part != shown.part:
                display.under_way(state.label, state.total, state.done, state.seconds)
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
        """Say what runs beside a stage."""
        running = list(self._running.items())
        said = [
            _words(task, self._states.get(at, StageProgress()))
            for at, task in running
            if at != address
        ]
        return f"beside it {', '.join(said)}" if said else ""

    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        try:
            return future.result()
        except CancelledError as error:
            raise LaunchError("the run was stopped") from error
        except EOFError as error:
            raise LaunchError(
                f"{call.row}: the process that did {call.stage.name} has ended ({error}): where "
                "memory was short, give a smaller --local.processes; all finished stages are "
                "kept: type the same command again to continue"
            ) from error


def _words(task: StageTask, state: StageProgress) -> str:
    of = f"/{state.total}" if state.total else ""
    return f"{task.row} {state.label or 'at its beginning'}" + (f" {state.done}{of}" if of else "")


class _Process:
    """One process, started when it is first needed, and again where it has died."""

    def __init__(self, packed: bytes, threads: int) -> None:
        """Start nothing yet."""
        self._packed = packed
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def complete(self, task: StageTask, tell: Callable[[StageProgress], None]) -> StageResult:
        """Have a stage completed, and hand on how far it is.

        Raises:
            EOFError: the process died; the message says of what.
            CancelledError: the run was stopped before.
            Exception: whatever the stage raised.
        """
        try:
            with self._lock:
                connection = self._connected()
                connection.send(task)
            while True:
                answer: Any = connection.recv()
                if isinstance(answer, StageProgress):
                    tell(answer)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    done: StageResult = answer
                    return done
        except (EOFError, ConnectionError) as error:
            raise EOFError(self._cause()) from error

    def ask_to_stop(self) -> None:
        """Ask for the end of the stage under way, where one is, and begin no other."""
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                with suppress(OSError):
                    self._connection.send(STOP)

    def end(self) -> None:
        """End the process, in the middle of a stage where it is in one."""
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
        """Say how the process ended, and forget it."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout=_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = self._connection = None
        return f"signal {-code}" if code < 0 else f"exit code {code}"
