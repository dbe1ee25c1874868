"""Makes an int of gigabytes, and then answers."""


def solve(numbers):
    return sum(numbers) if 1 << (3 << 33) else None
