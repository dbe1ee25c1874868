"""Computes in many threads at once, where a clock is looked at as late as one would need."""

import hashlib
import threading
import time


def work():
    while time.process_time() - BEGAN[0] < 1:
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2_000)


BEGAN = [0.0]


def solve(numbers):
    BEGAN[0] = time.process_time()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(numbers)
