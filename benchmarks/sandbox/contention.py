"""How much more processor time the same work takes while other work runs beside it.

A processor second holds less where processors share a core, its caches, the memory or a thermal
budget, and each machine shares other parts of these. So it is measured: a short loop again and
again while programs run, against the fastest that it ever was in this process.
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

MOST = 2.5
"""Times its limit that no program may use, whatever was measured."""

_MARGIN = 1.25
"""Programs may suffer more from what runs beside them than the loop does, by this factor."""

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


def room(began: float) -> float:
    """Return how many times its limit a program may use that began then, before it is stopped.

    It is what the machine has cost since, on average, and some more: alone such a program would be
    at its limit as well, as far as the loop can tell. Other work on the machine that never pauses
    counts as part of the machine; a program that is run again alone has it too.
    """
    _sample()
    beside = [seconds for at, seconds in tuple(_samples) if at >= began]
    return allowed(_fastest_s, beside)


def allowed(alone_s: float, beside_s: Sequence[float]) -> float:
    """Return the factor for a loop's processor seconds alone and, at times, beside others."""
    return min(MOST, _MARGIN * max(1.0, fmean(beside_s) / alone_s))


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
