"""Returns a text that is larger than an answer may be."""


def solve(numbers):
    return "x" * (40 << 20)
