"""Blocks every signal, computes on for seconds, and then answers."""

import contextlib
import signal
import time


def solve(numbers):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        pass
    return sum(numbers)
