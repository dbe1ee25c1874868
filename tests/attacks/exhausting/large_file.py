"""Writes one file that is larger than a file may be, and then answers."""

import io


def solve(numbers):
    with io.open("/tmp/@MARK@", "wb") as file:
        for _ in range(24):
            file.write(b"x" * (1 << 20))
    return sum(numbers)
