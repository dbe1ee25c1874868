"""Several workers at once."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from benchmarks.sandbox import contention
from benchmarks.sandbox.host import Worker
from benchmarks.sandbox.jobs import Job, JobResult, SandboxConfig

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool:
    """Applies a function of (worker, item) to many items, one thread and one zygote per worker."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config

    def map(
        self,
        task: Callable[[Worker, T], R],
        items: Sequence[T],
        on_done: Callable[[R], None] | None = None,
    ) -> list[R]:
        """Return the results in the items' order; `on_done` gets each as it comes, in this thread.

        Raises:
            SandboxError: the sandbox broke; whatever else a task raises comes through too.
        """
        results: dict[int, R] = {}

        def keep(index: int, result: R) -> None:
            results[index] = result
            if on_done is not None:
                on_done(result)

        self.each(lambda worker, index: task(worker, items[index]), range(len(items)), keep)
        return [results[index] for index in range(len(items))]

    def each(
        self,
        task: Callable[[Worker, T], R],
        items: Iterable[T],
        on_done: Callable[[T, R], None],
        *,
        then: Callable[[T, R], Iterable[T]] = lambda item, result: (),
        order: Callable[[T], Any] = lambda item: 0,
    ) -> None:
        """Apply `task` to the items, and to those that a result makes possible.

        Args:
            task: runs in a worker's thread.
            items: what there is to do at first.
            on_done: gets an item with its result as it comes, in this thread.
            then: names the items that a result makes possible, in a worker's thread.
            order: gives a key of an item; what is less is begun earlier, of equals what came first.

        Raises:
            SandboxError: the sandbox broke; whatever else a task raises comes through too.
        """
        waiting = _Waiting(items, order)
        finished: queue.SimpleQueue[tuple[T, R] | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                with contextlib.ExitStack() as stack:
                    worker: Worker | None = None
                    for item in waiting:
                        worker = worker or stack.enter_context(Worker(self._config))
                        result = task(worker, item)
                        waiting.done(then(item, result))
                        finished.put((item, result))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                finished.put(error)
            finally:
                finished.put(None)

        count = self._config.workers
        threads = [threading.Thread(target=work, name=f"sandbox-{n}") for n in range(count)]
        with contention.watched():
            try:
                for thread in threads:
                    thread.start()
                _collect(count, finished, on_done)
            finally:
                waiting.stop()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()


class _Waiting(Generic[T]):
    """Items to do, the least by `order` first; iterating ends when none is left or can come."""

    def __init__(self, items: Iterable[T], order: Callable[[T], Any]) -> None:
        self._order = order
        self._count = itertools.count()
        self._items: list[tuple[Any, int, T]] = []
        self._in_work = 0
        self._stopped = False
        self._change = threading.Condition()
        self._add(items)

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._change:
                while not (self._items or self._stopped) and self._in_work:
                    self._change.wait()
                if self._stopped or not self._items:
                    return
                self._in_work += 1
                item = heapq.heappop(self._items)[-1]
            yield item

    def done(self, more: Iterable[T]) -> None:
        """Count an item as done, and take what is to be done because of it."""
        with self._change:
            self._add(more)
            self._in_work -= 1
            self._change.notify_all()

    def stop(self) -> None:
        """Leave undone what is not in work."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def _add(self, items: Iterable[T]) -> None:
        for item in items:
            heapq.heappush(self._items, (self._order(item), next(self._count), item))


def _collect(
    threads: int,
    finished: queue.SimpleQueue[tuple[T, R] | BaseException | None],
    on_done: Callable[[T, R], None],
) -> None:
    while threads:
        item = finished.get()
        if item is None:
            threads -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            on_done(*item)


def run_jobs(
    jobs: Sequence[Job],
    config: SandboxConfig,
    *,
    on_done: Callable[[JobResult], None] | None = None,
) -> list[JobResult]:
    """Run every job and return the results in the jobs' order.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    return WorkerPool(config).map(lambda worker, job: worker.run(job), jobs, on_done)
