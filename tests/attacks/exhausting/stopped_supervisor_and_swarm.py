"""Stops its supervisor, and then starts forty processes where six are allowed."""
#: config processes=6

import os
import posix
import signal
import time


def solve(numbers):
    os.kill(0, signal.SIGSTOP)
    children = []
    for _ in range(40):
        child = posix.fork()
        if child == 0:
            time.sleep(1.0)
            os._exit(0)
        children.append(child)
    alive = sum(
        os.waitid(os.P_PID, c, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for c in children
    )
    return sum(numbers) if alive == 40 else None
