"""Keeps memory in pipes that lie, as messages, in the queues of sockets that lie in others."""
#: config memory_mib=128 input_timeout_s=3

import os
import socket


def solve(numbers):
    held = 0
    one, _other = socket.socketpair()
    for _ in range(4000):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        held += os.write(writer, bytes(1 << 16))
        try:
            socket.send_fds(one, [b"x"], [reader, writer])
        except OSError:
            break
        os.close(reader)
        os.close(writer)
    return sum(numbers) if held > 130 << 20 else None
