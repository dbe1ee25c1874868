"""Opens hundreds of files at once, and then answers."""

import io


def solve(numbers):
    kept = [io.open("/dev/null") for _ in range(500)]
    return sum(numbers) if len(kept) else None
