"""Reads the memory of its parent."""

import io
import os


def solve(numbers):
    with io.open(f"/proc/{os.getppid() or 1}/maps") as maps:
        start = int(maps.readline().split("-")[0], 16)
    with io.open(f"/proc/{os.getppid() or 1}/mem", "rb") as memory:
        memory.seek(start)
        memory.read(1)
    return sum(numbers)
