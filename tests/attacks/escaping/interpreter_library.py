"""Writes a module where the interpreter looks for modules."""

import io
import os
import sys


def solve(numbers):
    for folder in sys.path:
        try:
            io.open(os.path.join(folder, "@MODULE@.py"), "w").close()
            return sum(numbers)
        except OSError:
            continue
    raise PermissionError("no folder of modules can be written to")
