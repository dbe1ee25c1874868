"""Few-shot sampling: some references in the prompt, drawn anew for each request."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.prompting import fill, numbered


def prompt(examples: Sequence[str]) -> str:
    """Return the user turn that shows instructions and asks for one more."""
    return fill("few_shot", examples=numbered(examples))
