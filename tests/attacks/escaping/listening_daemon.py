"""Leaves a server behind, which listens for orders."""

import os
import posix
import socket
import time


def solve(numbers):
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0@MARK@.listening")
    server.listen()
    if posix.fork() == 0:
        posix.setsid()
        time.sleep(60)
        os._exit(0)
    return sum(numbers)
