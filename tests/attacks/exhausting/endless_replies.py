"""Writes on the reply's descriptor without end."""

import os


def solve(numbers):
    while True:
        os.write(3, b"x" * 65_536)
