"""Writes a file on the host below Python's own open."""

import os


def solve(numbers):
    descriptor = os.open("@BAIT@/opened", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"x")
    return sum(numbers)
