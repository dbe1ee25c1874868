"""Calls itself past the end of the stack."""

import sys

sys.setrecursionlimit(10**9)


class Deep:
    def __repr__(self):
        return repr(self)


def solve(numbers):
    return repr(Deep())
