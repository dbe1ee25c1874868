"""Sleeps beyond the limit of loading, to be run a second time with more patience."""
#: config input_timeout_s=0.15 load_timeout_s=0.5

import time

time.sleep(1.8)


def solve(numbers):
    return sum(numbers)
