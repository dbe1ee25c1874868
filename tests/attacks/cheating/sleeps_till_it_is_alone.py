"""Sleeps beyond its limit: too late with other programs, in time if it had a longer limit alone."""
#: config input_timeout_s=0.15 load_timeout_s=0.5

import time


def solve(numbers):
    if len(numbers) == 3:
        time.sleep(0.5)
    return sum(numbers)
