"""A process of launcher local: carries out stages for a run on this machine.

The run speaks with it over a socket: it sends tasks, one at a time, and gets back how far each is
and what came of it. The process ends when its run does.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from benchmarks.common.process import prepare_process
from benchmarks.common.words import warning_line
from benchmarks.launch.worker import SilentDisplay, StageResult, StageTask, complete, open_here

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline

STOP = "stop"
"""In place of a task: end the record in flight, and then the stage."""

_TELL_EVERY_S = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        part: number of what it counts now, from 1; a stage may count several things in turn.
        label: what it counts.
        total: to which number; None where it is not known.
        done: how many are done.
        note: a short text beside it.
        seconds: since it began to count.
        waiting: whom it waits for, or did last.
    """

    part: int = 0
    label: str = ""
    total: int | None = None
    done: int = 0
    note: str = ""
    seconds: float = 0.0
    waiting: str = ""


class PipeReporter(SilentDisplay):
    """Tells the run how far the stage is, a few times a second."""

    def __init__(self, connection: Connection) -> None:
        """Tell nothing yet."""
        super().__init__()
        self._connection = connection
        self._state = StageProgress()
        self._began = self._told = 0.0

    def start(self, label: str, total: int | None) -> None:
        """Begin a part."""
        if self._state.part:
            self.tell()  # how the last one ended
        self._began = time.monotonic()
        self._state = StageProgress(
            part=self._state.part + 1, label=label, total=total, waiting=self._state.waiting
        )
        self.tell()

    def advance(self, n: int = 1) -> None:
        """Count."""
        self._change(done=self._state.done + n)

    def note(self, text: str) -> None:
        """Keep the text."""
        self._change(note=text)

    def waiting(self, text: str) -> None:
        """Tell whom the stage waits for."""
        self._state = replace(self._state, waiting=text)
        self.tell()

    def tell(self) -> None:
        """Tell now, where there is anything to tell."""
        if self._state != StageProgress():
            self._told = time.monotonic()
            self._connection.send(replace(self._state, seconds=self._told - self._began))

    def _change(self, **values: Any) -> None:
        self._state = replace(self._state, **values)
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self.tell()


def main() -> None:
    """Serve one run: argv is the descriptor of the socket and the number of threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the run's, which tells
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_run, args=[connection.fileno()], daemon=True).start()
    prepare_process()
    _compute_with(int(sys.argv[2]))
    packed = connection.recv_bytes()
    pipeline: Pipeline | None = None

    def between() -> None:
        # Only one thing can come while a stage is under way.
        if connection.poll():
            raise KeyboardInterrupt

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task == STOP:  # it came too late: the stage had ended
            continue
        try:
            if pipeline is None:
                pipeline = open_here(packed, between)
            answer: StageResult | BaseException = _complete(pipeline, task, connection)
        except BaseException as error:  # noqa: BLE001 - raised again in the run
            answer = _sendable(error)
        connection.send(answer)


def _complete(pipeline: Pipeline, task: StageTask, connection: Connection) -> StageResult:
    told = PipeReporter(connection)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: told.line(warning_line(message))
        try:
            return complete(pipeline, task, told)
        finally:
            told.tell()


def _compute_with(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)  # also of the processes that stages start
    import torch

    torch.set_num_threads(threads)


def _end_with_run(fd: int) -> None:
    """End this process, in whatever it is, when the run's has ended."""
    ended = select.poll()
    ended.register(fd, 0)  # a hang-up is always told
    ended.poll()
    os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """Return the error, or one that says the same where it cannot be sent."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever an exception's own state raises
        return RuntimeError(trace)
    error.add_note(trace)
    return error
