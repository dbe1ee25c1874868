"""A user's tests in the form that the sandbox runs: a case of unittest with a method for each test.

Tests are classes of unittest, functions whose names begin with `test`, a function
`check(candidate)`, or assertions. What they are written in stays as it is; a class behind them
calls each.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.bigcodebench.rows import needs_the_program
from benchmarks.suites.reading import parse_python

CASES = "OwnTestCases"
CHECK = "check"
CANDIDATE = "candidate"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
_HEAD = f"""
import unittest as _unittest

class {CASES}(_unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for one in CLASSES:
            one.setUpClass()
            cls.addClassCleanup(one.tearDownClass)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitTests:
    """Tests as source text.

    Attributes:
        text: defines the class CASES.
        names: of its tests.
        entry_point: the function that is tested, "" where there are several names or a class.
        apart: whether they can run in another process than the program.
    """

    text: str
    names: tuple[str, ...]
    entry_point: str
    apart: bool


def unit_tests(where: str, source: str, entry_point: str, apart: bool | None) -> UnitTests:
    """Return a user's tests.

    Raises:
        SuiteError: they do not parse, there is none, or `check` is not told what it checks.
    """
    tree = parse_python(where, "test", source)
    free = _free_names(tree)
    tested = entry_point or _only_function(tree, free)
    body = [node for node in tree.body if not _checked(node) and not _is_main(node)]
    calls = list(_calls(where, body, tested))
    if not calls:
        raise SuiteError(
            f"{where}: test has no test: give a class of unittest, functions test_..., a function "
            "check(candidate) or assertions"
        )
    given = f"{CANDIDATE} = {tested}" if tested and CANDIDATE in free - {tested} else ""
    kept = [node for node in body if isinstance(node, _DEFINITIONS) or not _has_assertions(body)]
    classes = ", ".join(node.name for node in _classes(body))
    head: list[Any] = ast.parse(_HEAD.replace("CLASSES", f"[{classes}]")).body
    names = [f"test_{number}_{name}" for number, (name, _) in enumerate(calls, start=1)]
    for name, (_, statements) in zip(names, calls, strict=True):
        method: Any = ast.parse(f"def {name}(self): pass").body[0]
        method.body = statements
        head[-1].body.append(method)
    whole = ast.Module([*ast.parse(given).body, *kept, *head], [])
    can = bool(tested) and not needs_the_program(source)
    return UnitTests(
        text=ast.unparse(ast.fix_missing_locations(whole)),
        names=tuple(sorted(names)),
        entry_point=tested,
        apart=can if apart is None else apart and bool(tested),
    )


def _calls(
    where: str, body: Sequence[ast.stmt], tested: str
) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Yield a name and the statements of each test."""
    for node in _classes(body):
        for method in _methods(node, body):
            yield f"{node.name}_{method}", _statements(f"{node.name}({method!r}).debug()")
    for function in (node for node in body if isinstance(node, ast.FunctionDef)):
        if function.name.startswith("test"):
            yield function.name, _statements(f"{function.name}()")
        if function.name == CHECK:
            if not tested:
                raise SuiteError(
                    f"{where}: test has check(candidate), and the row no entry_point: name the "
                    "function that it checks"
                )
            yield CHECK, _statements(f"{CHECK}({tested})")
    if _has_assertions(body):
        others = [node for node in body if not isinstance(node, _DEFINITIONS)]
        alone = all(isinstance(node, ast.Assert) for node in others)
        for group in [[node] for node in others] if alone else [others]:
            yield "assert", list(group)


def _statements(code: str) -> list[ast.stmt]:
    return ast.parse(code).body


def _has_assertions(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Assert) for node in body)


def _classes(body: Sequence[ast.stmt]) -> list[ast.ClassDef]:
    """Return the classes with tests."""
    found = [node for node in body if isinstance(node, ast.ClassDef)]
    return [node for node in found if node.bases and _methods(node, body)]


def _methods(node: ast.ClassDef, body: Sequence[ast.stmt]) -> list[str]:
    """Return the names of a class's tests, with those of the classes here that it derives from."""
    bases = {ast.unparse(base) for base in node.bases}
    inherited = [
        name
        for other in body
        if isinstance(other, ast.ClassDef) and other.name in bases and other is not node
        for name in _methods(other, [one for one in body if one is not node])
    ]
    own = [m.name for m in node.body if isinstance(m, _FUNCTIONS) and m.name.startswith("test")]
    return sorted({*inherited, *own})


def _checked(node: ast.stmt) -> str:
    """Return the name that a statement `check(NAME)` checks, "" for any other statement."""
    call: Any = node.value if isinstance(node, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        return ""
    [argument] = call.args if len(call.args) == 1 else [None]
    named = call.func.id == CHECK and isinstance(argument, ast.Name)
    return argument.id if named and isinstance(argument, ast.Name) else ""


def _is_main(node: ast.stmt) -> bool:
    text = ast.unparse(node) if isinstance(node, ast.If | ast.Expr) else ""
    return "__main__" in text if isinstance(node, ast.If) else text.startswith("unittest.main(")


def _free_names(tree: ast.Module) -> set[str]:
    """Return the names that the tests use and nowhere define: those of the program."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return {node.id for node in names} - bound - set(dir(builtins))


def _only_function(tree: ast.Module, free: set[str]) -> str:
    """Return the one name of the program that the tests use, where they only call it.

    A class's name is none: its objects cannot go from one process to another.
    """
    checked = [name for node in tree.body if (name := _checked(node))]
    if checked:
        return checked[-1]
    nodes = list(ast.walk(tree))
    uses = sum(isinstance(node, ast.Name) and node.id in free for node in nodes)
    calls = sum(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in free
        for n in nodes
    )
    [name] = free if len(free) == 1 else [""]
    return name if name and uses == calls and not name[0].isupper() else ""
