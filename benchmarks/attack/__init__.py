"""Hostile programs against evaluators: `python -m benchmarks.attack` counts what gets through.

The programs are those of `tests/attacks`. Each defines `solve(numbers)`, and returns the sum of the
numbers only where its attack has succeeded: so an attack that gets through counts as a pass.
"""
