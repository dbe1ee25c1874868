"""Leaves a name of a socket that a cycle of descriptors in flight keeps alive."""
#: samples 2

import array
import io
import socket


def solve(numbers):
    with io.open("/proc/self/net/unix") as file:
        if "@note" in file.read():
            return sum(numbers)
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    named.bind(b"\0note")
    sent = array.array("i", [first.fileno(), second.fileno(), named.fileno()])
    first.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
    return None
