"""Reads a secret from the environment."""

import os


def solve(numbers):
    return sum(numbers) if os.environ["DOMINO_ATTACK_SECRET"] else None
