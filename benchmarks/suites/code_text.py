"""Questions about source text: whether it parses, what it defines, what it continues."""

from __future__ import annotations

import ast
import builtins
import re

from benchmarks.evaluator.gold import defines

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_DEFINITION = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
_ASSERTION = re.compile(r"^[ \t]*assert\b.+", re.MULTILINE)


def parses(code: str) -> bool:
    """Whether the text is Python."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def asked_function(instruction: str) -> str:
    """Return the function that an instruction asks for: the last that it begins, or it calls.

    Of the calls in an assertion the first counts that is not one of Python's own functions; ""
    where there is neither.
    """
    begun = _DEFINITION.findall(instruction)
    if begun:
        return str(begun[-1])
    assertions = [found.strip() for found in _ASSERTION.findall(instruction)]
    called = [
        node.func.id
        for assertion in assertions
        if parses(assertion)
        for node in ast.walk(ast.parse(assertion))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    own = [name for name in called if not hasattr(builtins, name)]
    return next(iter(own or called), "")


def with_prompt(prompt: str, entry_point: str, completion: str) -> str:
    """Return a complete program from a completion that may or may not repeat its prompt.

    The prompt's imports and helper functions stay in front of a completion that defines the entry
    point anew, as in EvalPlus.
    """
    if completion.startswith(prompt):
        return completion
    if defines(completion, entry_point):
        both = f"{prompt}\n{completion}"
        return both if _in_order(both) else completion
    return prompt + completion


def _in_order(code: str) -> bool:
    """Whether the text parses, and its imports from `__future__` come first.

    Compiling says so too, but takes minutes for some texts.
    """
    if not parses(code):
        return False
    tree = ast.parse(code)
    first = int(ast.get_docstring(tree, clean=False) is not None)
    futures = [
        place
        for place, statement in enumerate(tree.body)
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    ]
    return futures == list(range(first, first + len(futures)))


def fenced_blocks(text: str) -> list[str]:
    """Return what stands between fences, the last one unclosed perhaps."""
    return list(_FENCE.findall(text))
