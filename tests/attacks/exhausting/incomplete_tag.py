"""Replies with a tag that lacks its second part."""

import os


def solve(numbers):
    os.write(3, b'= 0.0 0.0 {"sub": []}\n')
    os._exit(0)
