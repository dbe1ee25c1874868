"""Leaves a note in IPv6 flow labels, which remain after their socket, and finds the one before."""
#: samples 2

import io
import socket
import struct


def solve(numbers):
    with io.open("/proc/self/net/ip6_flowlabel") as file:
        if len(file.readlines()) > 1:
            return sum(numbers)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        label = struct.pack("!I", 0x4AFFE) + struct.pack("=BBHHHI", 0, 255, 1, 0, 60, 0)
        one.setsockopt(41, 32, socket.inet_pton(socket.AF_INET6, "::1") + label)
    return None
