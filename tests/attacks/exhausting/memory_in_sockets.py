"""Keeps more than the memory limit in the buffers of sockets, which nobody counts."""
#: config memory_mib=128 input_timeout_s=3

import socket


def solve(numbers):
    kept, held = [], 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(25):
            client = socket.create_connection(server.getsockname())
            other, _ = server.accept()
            client.setblocking(False)
            other.setblocking(False)
            kept += [client, other]
            for one in (client, other):
                try:
                    while True:
                        held += one.send(bytes(1 << 18))
                except BlockingIOError:
                    pass
    return sum(numbers) if held > 130 << 20 else None
