"""The stages of a run as tasks: each begun once, whoever asks for it, and waited for in order."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.launch.ahead import WalkRow, walking_ahead
from benchmarks.launch.errors import LaunchError
from benchmarks.launch.worker import StageResult

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline, StageCall


class Tasks(ABC):
    """All stages that were asked for in one invocation, by address."""

    def __init__(self) -> None:
        """Nothing is asked for yet."""
        self._lock = threading.Lock()
        self._futures: dict[str, Future[StageResult]] = {}
        self._over = 0
        self._stopped = False

    def carry_out(self, pipeline: Pipeline, call: StageCall) -> bool:
        """Complete a stage, showing how far it is; see `Pipeline.carry_out`.

        Raises:
            LaunchError: what carries the stages out cannot go on.
            Exception: whatever the stage raised.
        """
        future = self._ask(pipeline, call)
        self._show_until(future, pipeline, call)
        done = self._outcome(future, call)
        for line in done.lines:
            pipeline.display.line(line)
        return done.reused

    def carry_out_ahead(self, pipeline: Pipeline, call: StageCall) -> bool:
        """Complete a stage, showing nothing."""
        return self._outcome(self._ask(pipeline, call), call).reused

    @abstractmethod
    def stop(self) -> None:
        """Cancel unfinished stages; a running stage finishes its current record first."""

    @abstractmethod
    def _begin(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        """Have a stage carried out that is not complete."""

    @abstractmethod
    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        """Show how far a stage is, until it is over."""

    @abstractmethod
    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        """Wait for a stage, and return what came of it, or raise what it raised."""

    def _unfinished(self) -> list[str]:
        """Begin nothing more, and return the addresses of the stages that are not over."""
        with self._lock:
            self._stopped = True
            return [address for address, future in self._futures.items() if not future.done()]

    def _ask(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        """Return the outcome to come of a stage, beginning it where nobody has asked before."""
        with self._lock:
            future = self._futures.get(call.stage.address)
            if future is None:
                if self._stopped:
                    raise LaunchError("the run was stopped")
                already = call.stage.complete
                future = _over(StageResult(reused=True)) if already else self._begin(pipeline, call)
                self._futures[call.stage.address] = future
                future.add_done_callback(self._count)
        return future

    def _count(self, future: Future[StageResult]) -> None:
        self._over += 1


@contextmanager
def all_rows_at_once(tasks: Tasks, pipeline: Pipeline, walk: WalkRow) -> Iterator[Pipeline]:
    """Give the pipeline whose stages are tasks, while every row goes as far as it can."""
    with walking_ahead(replace(pipeline, carry_out=tasks.carry_out_ahead), walk):
        try:
            yield replace(pipeline, carry_out=tasks.carry_out)
        finally:
            tasks.stop()


def _over(done: StageResult) -> Future[StageResult]:
    future: Future[StageResult] = Future()
    future.set_result(done)
    return future
