"""Self-Instruct: a task pool that grows from the references by its own novel continuations."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.prompting import fill, numbered


def list_prompt(examples: Sequence[str], last: int) -> str:
    """Return the user turn that shows a numbered list and asks for its items up to `last`."""
    return fill("self_instruct", examples=numbered(examples), last=last)
