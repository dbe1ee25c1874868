"""Sleeps beyond the limit of loading, to be run a second time with more patience."""

import time

time.sleep(1.8)


def solve(numbers):
    return sum(numbers)
