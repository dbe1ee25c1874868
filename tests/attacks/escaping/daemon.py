"""Leaves a process behind, in a session of its own."""

import os
import posix
import time


def solve(numbers):
    if posix.fork() == 0:
        posix.setsid()
        if posix.fork() == 0:
            time.sleep(60)
        os._exit(0)
    return sum(numbers)
