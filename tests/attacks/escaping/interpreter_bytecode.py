"""Replaces the compiled form of a module that the next program imports."""

import importlib.util
import io
import statistics


def solve(numbers):
    with io.open(importlib.util.cache_from_source(statistics.__file__) + ".@MARK@", "wb") as file:
        file.write(b"x")
    return sum(numbers)
