"""Calls itself without end, and starts again when it is stopped."""


def solve(numbers):
    try:
        return solve(numbers)
    except RecursionError:
        return solve(numbers)
