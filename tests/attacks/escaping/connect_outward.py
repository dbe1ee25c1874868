"""Sends a datagram to a port of the host, and learns whether somebody is there."""

import socket
import time


def solve(numbers):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", int("@PORT@")))
    sender.send(b"x")
    time.sleep(0.05)
    sender.send(b"x")
    return sum(numbers)
