"""Runs all rows at the same time, while they are reported in order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.console.display import Display

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline

WalkRow = Callable[["Pipeline", str, int], object]
"""Runs all stages of a row, and describes it: `run.walk_row`."""

_ROWS_AT_ONCE = 256  # a waiting row is a sleeping thread


@contextlib.contextmanager
def walking_ahead(pipeline: Pipeline, walk: WalkRow) -> Iterator[None]:
    """Run every row and describe it in the background, while the block processes rows in order.

    The pipeline must compute each stage once, even if it is requested twice. The end of the block
    waits for requested stages; rows that have not begun are not started.
    """
    config = pipeline.config
    rows = [(method, seed) for seed in config.seeds for method in config.methods]
    pool = ThreadPoolExecutor(min(len(rows), _ROWS_AT_ONCE), thread_name_prefix="row")
    for method, seed in rows:
        pool.submit(_walk, pipeline, walk, method, seed)
    try:
        yield
    finally:
        pool.shutdown(cancel_futures=True)


def _walk(pipeline: Pipeline, walk: WalkRow, method: str, seed: int) -> None:
    detached = pipeline.detached(Display())
    with contextlib.suppress(Exception):  # raised again in the ordered walk
        walk(detached, method, seed)
