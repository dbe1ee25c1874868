"""Leaves a message queue of the older kind, which remains after the processes that use it."""

import ctypes


def solve(numbers):
    libc = ctypes.CDLL(None, use_errno=True)
    create = 0o1000
    if libc.msgget(int("@KEY@"), create | 0o666) < 0:
        raise PermissionError(ctypes.get_errno(), "msgget")
    return sum(numbers)
