"""The stages of a run as tasks: each is started once, and results are awaited in order."""

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
    """All requested stages of one command, by cache key."""

    def __init__(self) -> None:
        """Start no stage yet."""
        self._lock = threading.Lock()
        self._futures: dict[str, Future[StageResult]] = {}
        self._over = 0
        self._stopped = False

    def carry_out(self, pipeline: Pipeline, call: StageCall) -> bool:
        """Complete a stage, and show its progress; see `Pipeline.carry_out`.

        Raises:
            LaunchError: the launcher cannot continue.
            Exception: raised by the stage.
        """
        future = self._ask(pipeline, call)
        self._show_until(future, pipeline, call)
        done = self._outcome(future, call)
        for line in done.lines:
            pipeline.display.line(line)
        return done.reused

    def carry_out_ahead(self, pipeline: Pipeline, call: StageCall) -> bool:
        """Complete a stage without showing its progress."""
        return self._outcome(self._ask(pipeline, call), call).reused

    @abstractmethod
    def stop(self) -> None:
        """Cancel unfinished stages; a running stage finishes its current record first."""

    @abstractmethod
    def _begin(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        """Start a stage that is not complete."""

    @abstractmethod
    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        """Show the progress of a stage until it has finished."""

    @abstractmethod
    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        """Wait for a stage; return its result, or raise its exception."""

    def _unfinished(self) -> list[str]:
        """Start no more stages, and return the cache keys of unfinished ones."""
        with self._lock:
            self._stopped = True
            return [address for address, future in self._futures.items() if not future.done()]

    def _ask(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        """Return the future of a stage, starting the stage at the first request."""
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
    """Yield a pipeline whose stages are tasks, while all rows run at the same time."""
    with walking_ahead(replace(pipeline, carry_out=tasks.carry_out_ahead), walk):
        try:
            yield replace(pipeline, carry_out=tasks.carry_out)
        finally:
            tasks.stop()


def _over(done: StageResult) -> Future[StageResult]:
    future: Future[StageResult] = Future()
    future.set_result(done)
    return future
