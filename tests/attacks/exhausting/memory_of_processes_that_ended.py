"""Fills shared memory by processes that end, so that it is counted for none."""
#: config processes=12 memory_mib=128 input_timeout_s=3

import mmap
import os
import time


def solve(numbers):
    for _ in range(5):
        if os.fork() == 0:
            memory = mmap.mmap(-1, 60 << 20)
            if os.fork() == 0:
                memory[:] = bytes([1]) * len(memory)
                os._exit(0)
            os.wait()
            time.sleep(1)
            os._exit(0)
    time.sleep(0.8)
    return sum(numbers)
