"""Writes a reply without an end byte by byte, for each of which the host would wake."""

import os


def solve(numbers):
    while True:
        os.write(3, b"x")
