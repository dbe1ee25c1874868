"""Starts hundreds of threads, and then answers."""

import threading
import time


def solve(numbers):
    for _ in range(400):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return sum(numbers)
