"""How much more processor time the same work takes while other work runs beside it.

A processor second holds less where processors share a core, its caches, the memory or a thermal
budget, and each machine shares other parts of these. So it is measured: a short loop alone, before
programs run, and again beside them when one of them is late.
"""

from __future__ import annotations

import functools
import time

MOST = 2.5
"""Times its limit that no program may use, whatever was measured."""

_MARGIN = 1.25
"""Programs may suffer more from what runs beside them than the loop does, by this factor."""

_NUMBERS = 50_000
_TIMES = 5


@functools.cache
def alone_s() -> float:
    """Return the processor seconds of the loop in this process; first call it before programs run.

    Other work on the machine counts as part of it: a program that is run again alone has it too.
    """
    return min(_loop_s() for _ in range(_TIMES))


def room() -> float:
    """Return how many times its limit a program may use now, beside others, before it is stopped.

    Alone it would then be at its limit too.
    """
    return allowed(alone_s(), [_loop_s() for _ in range(_TIMES)])


def allowed(alone_s: float, beside_s: list[float]) -> float:
    """Return the factor for a loop's processor seconds alone and, more than once, beside others.

    The least of these counts, as alone: what stays is what the machine itself costs.
    """
    return min(MOST, _MARGIN * max(1.0, min(beside_s) / alone_s))


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
