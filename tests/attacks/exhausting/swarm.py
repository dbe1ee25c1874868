"""Starts a few dozen processes that stay, and then answers."""

import os
import posix
import time


def solve(numbers):
    for _ in range(24):
        if posix.fork() == 0:
            time.sleep(60)
            os._exit(0)
    return sum(numbers)
