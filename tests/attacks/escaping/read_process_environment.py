"""Reads a secret from the environments of other processes."""

import glob
import io


def solve(numbers):
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if b"DOMINO_ATTACK_SECRET" in io.open(path, "rb").read():
                return sum(numbers)
        except OSError:
            continue
    raise PermissionError("no secret in sight")
