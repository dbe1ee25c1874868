"""Sends a signal to its group, in which its supervisor is."""

import os
import signal


def solve(numbers):
    os.kill(0, signal.SIGCONT)
    return sum(numbers)
