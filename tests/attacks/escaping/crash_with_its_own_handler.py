"""Puts the default handler of crashes back, and crashes under a name of its choice."""

import ctypes
import signal


def solve(numbers):
    libc = ctypes.CDLL(None)
    for number in (signal.SIGSEGV, signal.SIGBUS):
        libc.signal(number, 0)
    libc.prctl(15, b"@MARK@"[:15], 0, 0, 0)
    ctypes.string_at(16)
