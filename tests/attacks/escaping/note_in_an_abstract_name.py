"""Finds a note of the program before it in a socket's name, held by a process that stays."""
#: samples 2
#: config processes=4

import os
import socket
import time


def solve(numbers):
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind("\0a note for the next program")
    except OSError:
        return sum(numbers)
    if os.fork() == 0:
        os.setsid()
        time.sleep(30)
    return None
