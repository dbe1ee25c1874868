"""A set of colliding numbers, which differ as long as each has a class of its own name."""

import os


def solve(numbers):
    colliding = (1 + n * (2**61 - 1) for n in range(20_000))
    elements = (f'{{"sub":["{n:x}",{number}]}}' for n, number in enumerate(colliding))
    text = b'= 0.0 0.0 {"set":[' + ",".join(elements).encode() + b"]}\n"
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)
