"""Several workers at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

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
        *,
        longest_first: Callable[[T], float] | None = None,
    ) -> list[R]:
        """Return the results in the items' order; `on_done` gets each as it comes, in this thread.

        `longest_first` tells how long an item is likely to take: with the long ones first, no
        worker is left with one when the others are through.

        Raises:
            SandboxError: the sandbox broke; whatever else a task raises comes through too.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        order = list(range(len(items)))
        if longest_first is not None:
            order.sort(key=lambda index: -longest_first(items[index]))
        for index in order:
            waiting.put(index)
        finished: queue.SimpleQueue[tuple[int, R] | BaseException] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            try:
                with Worker(self._config) as worker:
                    while not stop.is_set():
                        index = waiting.get_nowait()
                        finished.put((index, task(worker, items[index])))
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                finished.put(error)

        count = min(self._config.workers, len(items))
        threads = [threading.Thread(target=work, name=f"sandbox-{n}") for n in range(count)]
        for thread in threads:
            thread.start()
        try:
            return _collect(len(items), finished, on_done)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _collect(
    count: int,
    finished: queue.SimpleQueue[tuple[int, R] | BaseException],
    on_done: Callable[[R], None] | None,
) -> list[R]:
    results: dict[int, R] = {}
    while len(results) < count:
        item = finished.get()
        if isinstance(item, BaseException):
            raise item
        results[item[0]] = item[1]
        if on_done is not None:
            on_done(item[1])
    return [results[index] for index in range(count)]


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
