"""Leaves threads running that never end, and answers wrongly."""

import threading
import time


def solve(numbers):
    for _ in range(2):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    return None
