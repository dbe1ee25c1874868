"""Uses capabilities that were left to it."""

import ctypes


def solve(numbers):
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None).capget(header, sets) != 0 or not any(sets):
        raise PermissionError("no capabilities")
    return sum(numbers)
