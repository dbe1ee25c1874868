"""Says that an exception has a megabyte of empty lists for a message."""

import os


def solve(numbers):

    text = b'! 0.0 0.0 ["E", [' + b"[]," * 300_000 + b"[]]]\n"
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)
