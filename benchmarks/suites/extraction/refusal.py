"""Why what was extracted cannot be scored. It runs in workers: compiling strange text takes long.

Nested `finally` blocks double a program with every level, and the parser normalises names in
quadratic time.
"""

from __future__ import annotations

import ast
import builtins
import sqlite3
import string
import warnings

from benchmarks.evaluator.scorers import choice, last_number
from benchmarks.suites.extraction.lenient import bound_names, is_query

Refusal = tuple[str, str]
"""Reason and detail."""


def refuse_program(code: str) -> Refusal | None:
    """Return why a program is none: it is empty or does not compile."""
    if not code.strip("`~ \t\r\n"):
        return ("empty", "")
    return None if _compiles(code) else ("does not parse", code.strip()[:80])


def refuse_function(code: str, entry_point: str) -> Refusal | None:
    """The same where a function is asked for, by name or, with "", by any."""
    refusal = refuse_program(code)
    if refusal is None and entry_point and entry_point not in bound_names(code):
        return ("no function", f"{entry_point} is not defined")
    if refusal is None and not entry_point and not _has_function(code):
        return ("no function", code.strip()[:80])
    return refusal


def refuse_value(text: str) -> Refusal | None:
    """Return why a text is not an expression of literals and built-in names, such as `[0] * 5`."""
    return None if is_value(text) else ("no value", text[:80])


def refuse_query(text: str) -> Refusal | None:
    """Return why a text is not one complete SQL statement that returns rows."""
    if not text.strip():
        return ("empty", "")
    if not is_query(text):
        return ("no query", text[:80])
    complete = sqlite3.complete_statement(text.rstrip().rstrip(";") + "\n;")
    return None if complete else ("does not parse", text[:80])


def refuse_answer(text: str, scorer: str) -> Refusal | None:
    """Return why a text has no answer that the scorer could find."""
    if not text.strip():
        return ("empty", "")
    if scorer == "number" and last_number(text) is None:
        return ("no number", text[:80])
    if scorer == "choice" and choice(text, string.ascii_uppercase) is None:
        return ("no choice", text[:80])
    return None


def is_value(text: str) -> bool:
    """Whether the text is an expression of literals and built-in names."""
    try:
        tree = ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    known = all(name.id in bound or hasattr(builtins, name.id) for name in names)
    return known and bool(text.strip())


def _compiles(code: str) -> bool:
    """Whether the text is a program: a `return` outside of a function parses, and is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd code, which is not ours
            compile(code, "<response>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _has_function(code: str) -> bool:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return any(isinstance(node, functions) for node in ast.walk(ast.parse(code)))
