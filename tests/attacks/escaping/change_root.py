"""Changes its root folder."""

import posix


def solve(numbers):
    posix.chroot("/tmp")
    return sum(numbers)
