"""Questions about source text: whether it parses, what it defines, what it continues."""

from __future__ import annotations

import ast
import builtins
import re
import warnings

from benchmarks.evaluator.gold import defines
from benchmarks.suites.extraction.lenient import bound_names

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


def compiles(code: str) -> bool:
    """Whether the text is a program: a `return` outside of a function parses, and is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd code, which is not ours
            compile(code, "<response>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def refuse_code(code: str) -> tuple[str, str] | None:
    """Return reason and detail where a program is empty or does not compile, else None."""
    if not code.strip("`~ \t\r\n"):
        return ("empty", "")
    return None if compiles(code) else ("does not parse", code.strip()[:80])


def refuse_function(code: str, entry_point: str) -> tuple[str, str] | None:
    """The same where a function is asked for, by name or, with "", by any."""
    refusal = refuse_code(code)
    if refusal is None and entry_point and entry_point not in bound_names(code):
        return ("no function", f"{entry_point} is not defined")
    if refusal is None and not entry_point and not _has_function(code):
        return ("no function", code.strip()[:80])
    return refusal


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
    """Return a whole program from a completion that may or may not repeat its prompt.

    The prompt's imports and helper functions stay in front of a completion that defines the entry
    point anew, as in EvalPlus.
    """
    if completion.startswith(prompt):
        return completion
    if defines(completion, entry_point):
        both = f"{prompt}\n{completion}"
        return both if compiles(both) else completion
    return prompt + completion


def fenced_blocks(text: str) -> list[str]:
    """Return what stands between fences, the last one unclosed perhaps."""
    return list(_FENCE.findall(text))


def _has_function(code: str) -> bool:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return any(isinstance(node, functions) for node in ast.walk(ast.parse(code)))
