"""Texts of code execution: the question with its function and call, the answer with its value."""

from __future__ import annotations

import ast
import builtins
import re

from benchmarks.suites.code_text import fenced_blocks, parses

_REQUEST = (
    "What does this call return? Run the function in your head, even where it looks wrong, and "
    "write the whole assertion with a literal in place of ?? between [ANSWER] and [/ANSWER]."
)
_ASSERTION = re.compile(r"^assert (.+) == \?\?[ \t]*$", re.MULTILINE)
_ANSWER = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)


def question(code: str, call: str) -> str:
    """Return the function with the assertion to be completed, and what is asked."""
    return f"```python\n{code.strip()}\n\nassert {call} == ??\n```\n{_REQUEST}"


def read_question(text: str) -> tuple[str, str] | None:
    """Return function and call of a question, None where the text is none."""
    block = "\n".join(fenced_blocks(text)) or text
    found = list(_ASSERTION.finditer(block))
    if not found:
        return None
    code, call = block[: found[-1].start()].rstrip(), found[-1].group(1)
    whole = code and parses(code) and parses(f"({call})")
    return (code, call) if whole and isinstance(_expression(call), ast.Call) else None


def predicted_expression(response: str) -> str:
    """Return the source text of the value in an answer: behind `==`, or all there is.

    Between the answer's marks, or in a fenced block; what is neither counts as a whole, of which
    LiveCodeBench reads the first line.
    """
    marked = [text for text in _ANSWER.findall(response) if text.strip()]
    blocks = [block for block in fenced_blocks(response) if block.strip()]
    text = (marked or blocks or [response.strip()])[-1].strip()
    if not marked and not blocks:
        text = text.split("\n")[0].strip()
    return _right_side(text)


def is_value(text: str) -> bool:
    """Whether the text is an expression of literals and built-in names, such as `[0] * 5`."""
    try:
        tree = _expression(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    known = all(name.id in bound or hasattr(builtins, name.id) for name in names)
    return known and bool(text.strip())


def _right_side(text: str) -> str:
    statement = text if text.startswith("assert") else f"assert {text}"
    if parses(statement):
        [*_, node] = ast.parse(statement).body
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
            side = ast.get_source_segment(statement, node.test.comparators[-1])
            return (side or "").strip()
    return text.partition("==")[2].strip() if text.startswith("assert") else text


def _expression(text: str) -> ast.expr:
    return ast.parse(f"({text})", mode="eval").body
