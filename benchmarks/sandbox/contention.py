"""Measures contention: how much more processor time the same work takes while other work runs.

Processors share hyper-threads, caches, memory bandwidth and thermal limits, differently on each
machine, so the effect cannot be computed. Instead, a short loop is timed repeatedly while programs
run, and compared with its fastest time in this process.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean

MAX_SLOWDOWN = 2.5
"""Maximum extension of a limit, as a factor, whatever was measured."""

_MARGIN = 1.25
"""Programs may be slowed down more than the loop, by up to this factor: they use more memory."""

_EVERY_S = 1.0
_NUMBERS = 50_000
_TIMES = 3

_fastest_s = math.inf
_samples: deque[tuple[float, float]] = deque(maxlen=3600)
"""(time of measurement by `time.monotonic`, processor seconds of the loop), oldest first."""


@contextmanager
def watched() -> Iterator[None]:
    """Time the loop now, before programs run, and once a second within the block."""
    _sample()
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(ended,), name="contention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def slowdown_allowance(began: float) -> float:
    """Return the factor by which the limit of a program that started at `began` is extended.

    It is the mean slowdown since then, times a margin: a program that uses even the extended limit
    would also exceed its own limit alone. Load on the machine that never pauses is part of the
    fastest time and so not measured as contention; it also affects a program that is rerun alone.
    """
    _sample()
    during = [seconds for at, seconds in tuple(_samples) if at >= began]
    return allowed(_fastest_s, during)


def allowed(alone_s: float, contended_s: Sequence[float]) -> float:
    """Return the factor from the loop's processor seconds alone and under contention."""
    return min(MAX_SLOWDOWN, _MARGIN * max(1.0, fmean(contended_s) / alone_s))


def _watch(ended: threading.Event) -> None:
    while not ended.wait(_EVERY_S):
        _sample()


def _sample() -> None:
    """Time the loop several times and keep the fastest; an interrupted one takes too long."""
    global _fastest_s
    seconds = min(_loop_s() for _ in range(_TIMES))
    _fastest_s = min(_fastest_s, seconds)
    _samples.append((time.monotonic(), seconds))


def _loop_s() -> float:
    """Compute and read memory for some milliseconds, as programs do, without allocating memory."""
    numbers, places = _data()
    total = 0
    # The time of this thread only: other threads of the evaluator compute at the same time.
    began = time.thread_time()
    for number in numbers:
        total += places[number & 4095] * number % 7
    return time.thread_time() - began


@functools.cache
def _data() -> tuple[list[int], dict[int, int]]:
    return list(range(_NUMBERS)), {place: place * place for place in range(4096)}
