"""Evol-Instruct: references rewritten into harder tasks, round after round."""

from __future__ import annotations

from baselines.prompting import fill

OPERATIONS = ("constraint", "rarer", "reasoning", "misdirection", "complexity")
BREADTH = "breadth"


def operation_prompt(operation: str, instruction: str) -> str:
    """Return the user turn that asks for the task rewritten by one of the operations."""
    return fill(f"evol_{operation}", instruction=instruction)


def equal_prompt(first: str, second: str) -> str:
    """Return the user turn that asks whether two tasks ask for the same thing."""
    return fill("evol_equal", first=first, second=second)
