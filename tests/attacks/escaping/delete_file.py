"""Deletes a file of the host."""

import posix


def solve(numbers):
    posix.remove("@BAIT@/keep")
    return sum(numbers)
