"""Makes the folders that a path on the host needs, and a file there."""

import io
import os


def solve(numbers):
    os.makedirs("@BAIT@/deep/er")
    io.open("@BAIT@/deep/er/file", "w").close()
    return sum(numbers)
