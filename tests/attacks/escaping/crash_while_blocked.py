"""Blocks the signal of a crash and crashes, so that the kernel puts the default back."""

import ctypes
import signal
import threading


def solve(numbers):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSEGV])
    ctypes.CDLL(None).prctl(15, b"@MARK@"[:15], 0, 0, 0)
    thread = threading.Thread(target=ctypes.string_at, args=(16,))
    thread.start()
    thread.join()
