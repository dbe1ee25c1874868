"""Overwrites a file of the host."""

import io


def solve(numbers):
    with io.open("@BAIT@/keep", "r+") as file:
        file.write("gone")
    return sum(numbers)
