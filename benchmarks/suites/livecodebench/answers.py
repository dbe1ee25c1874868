"""Texts of code execution: the question with its function and call, the answer with its value."""

from __future__ import annotations

import ast
import re

from benchmarks.suites.code_text import fenced_blocks, parses

REQUEST = (
    "What does this call return? Run the function in your head, even where it looks wrong, and "
    "write the whole assertion with a literal in place of ?? between [ANSWER] and [/ANSWER]."
)
_ASSERTION = re.compile(r"^assert (.+) == \?\?[ \t]*$", re.MULTILINE)


def statement(code: str, call: str) -> str:
    """Return the function with the assertion to be completed: a problem's content."""
    return f"{code}\nassert {call} == ??"


def question(code: str, call: str) -> str:
    """Return the content in a block, and what is asked, in this project's own words."""
    return f"```python\n{code.strip()}\n\nassert {call} == ??\n```\n{REQUEST}"


def read_question(text: str) -> tuple[str, str] | None:
    """Return function and call of a question, None where the text is none."""
    block = "\n".join(fenced_blocks(text)) or text
    found = list(_ASSERTION.finditer(block))
    if not found:
        return None
    code, call = block[: found[-1].start()].rstrip(), found[-1].group(1)
    whole = code and parses(code) and parses(f"({call})")
    return (code, call) if whole and isinstance(_expression(call), ast.Call) else None


def _expression(text: str) -> ast.expr:
    return ast.parse(f"({text})", mode="eval").body
