"""Makes a text of gigabytes, and then answers."""


def solve(numbers):
    return sum(numbers) if "x" * (3 << 30) else None
