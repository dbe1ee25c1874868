"""Writes what no reader expects on the reply's descriptor."""

import os


def solve(numbers):
    os.write(3, b"= x\n\xff\xfe" + b"[" * 100_000 + b"\n")
    os._exit(0)
