"""Connects to a server of the host over TCP."""

import socket


def solve(numbers):
    socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=2).sendall(b"x")
    return sum(numbers)
