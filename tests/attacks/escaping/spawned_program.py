"""Starts another program, which touches a file of the host."""

import posix


def solve(numbers):
    posix.waitpid(posix.posix_spawn("/bin/touch", ["touch", "@BAIT@/spawned"], {}), 0)
    posix.stat("@BAIT@/spawned")
    return sum(numbers)
