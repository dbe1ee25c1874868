"""Measures contention: how much more processor time the same work takes while other work runs.

Hyper-threads, caches, memory bandwidth and thermal limits are shared between processors, and each
machine shares other ones. So it is measured: a short loop is timed again and again while programs
run, and compared with the fastest time that it ever took in this process.
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
"""No program gets more than this many times its limit, whatever was measured."""

_MARGIN = 1.25
"""Programs may be slowed down more than the loop is, by up to this factor."""

_EVERY_S = 1.0
_NUMBERS = 50_000
_TIMES = 3

_fastest_s = math.inf
_samples: deque[tuple[float, float]] = deque(maxlen=3600)
"""When the loop was timed (`time.monotonic`), and its processor seconds, old ones first."""


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
    """Return how many times its limit a program that began then may use before it is stopped.

    It is the mean slowdown since then and a margin: run alone, such a program would have reached
    its limit as well, as far as the loop can measure. Other load on the machine that never pauses
    is not seen as contention; a program that is rerun alone suffers from it too.
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
    """Keep the fastest of some loops in a row: what is left is what the machine itself costs."""
    global _fastest_s
    seconds = min(_loop_s() for _ in range(_TIMES))
    _fastest_s = min(_fastest_s, seconds)
    _samples.append((time.monotonic(), seconds))


def _loop_s() -> float:
    """Compute and read memory for some milliseconds, as programs do, and take none anew."""
    numbers, places = _data()
    total = 0
    began = time.thread_time()
    for number in numbers:
        total += places[number & 4095] * number % 7
    return time.thread_time() - began


@functools.cache
def _data() -> tuple[list[int], dict[int, int]]:
    return list(range(_NUMBERS)), {place: place * place for place in range(4096)}
