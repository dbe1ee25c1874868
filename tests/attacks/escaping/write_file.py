"""Writes a file on the host."""

import io


def solve(numbers):
    with io.open("@BAIT@/written", "w") as file:
        file.write("x")
    return sum(numbers)
