"""Reads the host's accounts."""

import io


def solve(numbers):
    return sum(numbers) if io.open("/etc/passwd").read() else None
