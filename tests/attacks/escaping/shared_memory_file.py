"""Leaves a file in the host's shared memory."""

import io


def solve(numbers):
    io.open("/dev/shm/@MARK@", "w").close()
    return None  # its own folder of that name is allowed; a file on the host is the effect
