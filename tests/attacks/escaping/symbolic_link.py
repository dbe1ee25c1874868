"""Writes on the host through a symbolic link in its own folder."""

import io
import os


def solve(numbers):
    os.symlink("@BAIT@/linked", "/tmp/@MARK@")
    with io.open("/tmp/@MARK@", "w") as file:
        file.write("x")
    return sum(numbers)
