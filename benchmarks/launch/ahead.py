"""Rows ahead of the one that is being reported: all at once, each as far as it can go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.console.display import Display

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline

WalkRow = Callable[["Pipeline", str, int], object]
"""Takes one row through all its stages, and describes it: `run.walk_row`."""

_ROWS_AT_ONCE = 256  # a row that waits for a machine costs a sleeping thread here


@contextlib.contextmanager
def walking_ahead(pipeline: Pipeline, walk: WalkRow) -> Iterator[None]:
    """Take every row through its stages, and describe it, while the block walks them in order.

    The pipeline must carry each stage out once, whoever asks for it. The end of the block waits for
    the stages that are being asked for; rows that have not begun stay so.
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
    with contextlib.suppress(Exception):  # whoever walks the rows in order meets the same error
        walk(detached, method, seed)
