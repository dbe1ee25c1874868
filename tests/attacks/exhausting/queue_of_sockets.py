"""Keeps memory in connections that nobody accepts, and whose other ends are closed."""
#: config memory_mib=128 input_timeout_s=3

import socket


def solve(numbers):
    kept, held = [], 0
    for number in range(8):
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"queue{number}")
        server.listen(4096)
        kept.append(server)
        for _ in range(200):
            with socket.socket(socket.AF_UNIX) as client:
                client.setblocking(False)
                try:
                    client.connect(f"queue{number}")
                    while True:
                        held += client.send(bytes(1 << 15))
                except OSError:
                    pass
    return sum(numbers) if held > 140 << 20 else None
