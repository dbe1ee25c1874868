"""Takes more memory, bit by bit, than a program may have, and then answers."""


def solve(numbers):
    kept = [bytearray(1 << 24) for _ in range(160)]
    return sum(numbers) if len(kept) else None
