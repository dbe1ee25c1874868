"""Has an orphan do the work: a child's child, which nobody waits for."""

import os
import time


def solve(numbers):
    read, write = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            while time.process_time() < 1:
                pass
            os.write(write, b"x")
        os._exit(0)
    os.wait()
    os.read(read, 1)
    return sum(numbers)
