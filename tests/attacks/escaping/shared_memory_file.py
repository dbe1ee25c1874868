"""Leaves a file in the host's shared memory."""

import io


def solve(numbers):
    io.open("/dev/shm/@MARK@", "w").close()
    return sum(numbers)
