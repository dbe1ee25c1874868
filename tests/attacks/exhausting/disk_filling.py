"""Fills the disk with files, and then answers."""

import io


def solve(numbers):
    for number in range(24):
        with io.open(f"/tmp/@MARK@.{number}", "wb") as file:
            file.write(b"x" * (1 << 20))
    return sum(numbers)
