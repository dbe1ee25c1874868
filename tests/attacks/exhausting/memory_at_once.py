"""Takes more memory at once than a program may have, and then answers."""


def solve(numbers):
    kept = bytearray(3 << 30)
    return sum(numbers) if len(kept) else None
