"""Building blocks of prompts: text files in `prompts`, lists of tasks, pairs as turns."""

from __future__ import annotations

import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from domino.records import Reference

PROMPTS = Path(__file__).with_name("prompts")


@cache
def _template(name: str) -> string.Template:
    text = (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")
    return string.Template(text.rstrip("\n"))


def fill(name: str, **values: str | int) -> str:
    """Return the prompt in `prompts/<name>.txt` with every placeholder replaced.

    Raises:
        KeyError: the prompt has a placeholder that `values` does not name.
    """
    return _template(name).substitute(values)


def one_line(text: str) -> str:
    """Return the text on one line: every run of white space becomes one space."""
    return " ".join(text.split())


def numbered(instructions: Sequence[str], start: int = 1) -> str:
    """Return `start. first`, `start + 1. second`, ...: one line for each instruction."""
    return "\n".join(
        f"{number}. {one_line(instruction)}"
        for number, instruction in enumerate(instructions, start)
    )


def pair_messages(references: Sequence[Reference]) -> list[dict[str, str]]:
    """Return the references as turns of a chat: instruction by the user, response by the assistant.

    Raises:
        ValueError: a reference has no response.
    """
    messages: list[dict[str, str]] = []
    for reference in references:
        if reference.response is None:
            raise ValueError(
                f"reference {reference.id!r} has no response: a chat of pairs needs one in each"
            )
        messages.append({"role": "user", "content": reference.instruction})
        messages.append({"role": "assistant", "content": reference.response})
    return messages
