"""A thread that answers once the call has returned something else."""

import os
import threading
import time


def late():
    time.sleep(0.1)
    os.write(3, b"= 0.0 0.0 6\nend \n")


def solve(numbers):
    threading.Thread(target=late, daemon=True).start()
    time.sleep(0.05)
    return None
