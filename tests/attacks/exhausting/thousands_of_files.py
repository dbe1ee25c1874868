"""Makes thousands of files, and then answers."""

import io
import posix


def solve(numbers):
    posix.mkdir("/tmp/@MARK@")
    for number in range(6000):
        io.open(f"/tmp/@MARK@/{number}", "w").close()
    return sum(numbers)
