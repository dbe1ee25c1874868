"""A worker process of the launcher local: completes stages for a run on this machine.

The run sends one task at a time over a socket, and receives its progress and its result. The
process ends when the run ends.
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
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from benchmarks.common.process import prepare_process
from benchmarks.common.words import warning_line
from benchmarks.console.display import Display, ProgressEvent
from benchmarks.launch.worker import StageResult, StageTask, complete, open_here

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline

STOP = "stop"
"""Sent instead of a task: finish the current record, then end the stage."""

_SEND_EVERY_S = 0.2


class PipeReporter:
    """Sends the progress of a stage to the run, a few times a second.

    Attributes:
        lines: messages of the stage.
    """

    def __init__(self, connection: Connection) -> None:
        """Send to `connection`."""
        self.lines: list[str] = []
        self._connection = connection
        self._event: ProgressEvent | None = None
        self._began = self._sent = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        """Send an event, or keep its message."""
        match event.kind:
            case "line":
                self.lines.append(event.text)
            case "start":
                self.send()  # the final state of the previous count
                self._began, self._event = time.monotonic(), event
                self.send()
            case "waiting":
                self._event = event
                self.send()
            case "advance" | "note":
                self._event = event
                if time.monotonic() - self._sent > _SEND_EVERY_S:
                    self.send()

    def send(self) -> None:
        """Send the last event, if there is one."""
        if self._event is not None:
            self._sent = time.monotonic()
            self._connection.send(replace(self._event, seconds=self._sent - self._began))


def main() -> None:
    """Serve one run: argv is the descriptor of the socket and the number of threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run, which asks to stop
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_run, args=[connection.fileno()], daemon=True).start()
    prepare_process()
    _compute_with(int(sys.argv[2]))
    packed = connection.recv_bytes()
    pipeline: Pipeline | None = None

    def between() -> None:
        # While a stage runs, only STOP can arrive.
        if connection.poll():
            raise KeyboardInterrupt

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task == STOP:  # the stage ended before it arrived
            continue
        try:
            if pipeline is None:
                pipeline = open_here(packed, between)
            answer: StageResult | BaseException = _complete(pipeline, task, connection)
        except BaseException as error:  # noqa: BLE001 - raised again in the run
            answer = _sendable(error)
        connection.send(answer)


def _complete(pipeline: Pipeline, task: StageTask, connection: Connection) -> StageResult:
    reporter = PipeReporter(connection)
    display = Display(reporter)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: display.line(warning_line(message))
        try:
            return complete(pipeline, task, display, reporter.lines)
        finally:
            reporter.send()


def _compute_with(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)  # child processes inherit it
    import torch

    torch.set_num_threads(threads)


def _end_with_run(fd: int) -> None:
    """End this process when the run has ended, even in the middle of a computation."""
    ended = select.poll()
    ended.register(fd, 0)  # a hang-up is always reported
    ended.poll()
    os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """Return the error, or a RuntimeError with its traceback if it cannot be pickled."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - anything can be raised here
        return RuntimeError(trace)
    error.add_note(trace)
    return error
