"""Inside the sandbox: a contest's two kinds of programs, as LiveCodeBench calls them.

Every test has a process of its own, in which a script is what it would be alone: the module
`__main__` with a file, standard streams, arguments, and an end that waits for its threads. A
method's last test runs in the process that forked those of the others.
LiveCodeBench runs programs after a preamble of imports and with a higher recursion limit. Here a
program gets those names of the preamble that it uses and nowhere defines, and the higher limit
unless it asks for the limit or handles the error itself, so that one that is right as a plain
script is right here too.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import json
import os
import symtable
import sys
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.sandbox.worker.children import write_source
from benchmarks.sandbox.worker.codec import encode_or_digest

if TYPE_CHECKING:
    from benchmarks.sandbox.worker.children import Children, Said

CHILDREN: Children = None  # type: ignore[assignment]  # the worker's, once it is loaded
SOURCE = ""
NAME = ""
FILE = "solution.py"
RECURSION_LIMIT = 50_000
# LiveCodeBench's own preamble, by name: first every name in them, then the modules themselves.
STARRED = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random"),
    *("statistics", "itertools", "functools", "operator", "io", "sys", "json", "builtins"),
    "typing",
)
PREAMBLE = compile(
    "".join(f"from {name} import *\n" for name in STARRED)
    + "".join(f"import {name}\n" for name in STARRED if name not in ("builtins", "typing")),
    "preamble.py",
    "exec",
)
_prepared: list[tuple[types.CodeType, dict[str, Any]]] = []


def standard_output(text: str) -> str:
    """Run the program as a script on this standard input; leaving by `exit()` is not an error."""
    code, given = _prepare()
    CHILDREN.run(lambda: _run_script(code, given), stdin=text)
    return CHILDREN.printed()


def call_method(*arguments: Any) -> Said:
    """Call a method of the program's class `Solution`, or its function."""
    code, given = _prepare()
    run = CHILDREN.run_last if CHILDREN.at_last else CHILDREN.run
    return run(lambda: _run_method(code, given, arguments))


def _run_script(code: types.CodeType, given: dict[str, Any]) -> str:
    sys.stdin = sys.__stdin__ = open(0, **_TEXT)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", **_TEXT)  # type: ignore[misc]  # noqa: SIM115
    names = _module("__main__", given)
    with contextlib.suppress(SystemExit):
        exec(code, names)
    # What an interpreter does at its end, in its order.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _flush()
    names.clear()  # files that the program left open are written out
    return ""


def _run_method(code: types.CodeType, given: dict[str, Any], arguments: tuple[Any, ...]) -> str:
    names = _module("solution", given)
    exec(code, names)
    holder = names["Solution"]() if "class Solution" in SOURCE else None
    method = names.get(NAME) if holder is None else getattr(holder, NAME, None)
    if not callable(method):
        raise NameError(f"the program defines no {NAME!r}")
    return f"= {json.dumps(encode_or_digest(method(*arguments)))}"


_TEXT: dict[str, Any] = {
    "encoding": "utf-8",
    "errors": "surrogateescape",
    "newline": "\n",
    "closefd": False,
}
"""How an interpreter opens its standard streams."""


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        with contextlib.suppress(AttributeError, ValueError):  # replaced, or closed
            stream.flush()  # type: ignore[union-attr]


def _prepare() -> tuple[types.CodeType, dict[str, Any]]:
    """Return the program's code and the names that it is given, found once for all tests."""
    if not _prepared:
        code = compile(SOURCE, FILE, "exec")
        preamble: dict[str, Any] = {}
        forgotten = set() if "NameError" in SOURCE else _forgotten(SOURCE)
        if forgotten:
            exec(PREAMBLE, preamble)
        given = {name: preamble[name] for name in forgotten & preamble.keys()}
        _prepared.append((code, given))
    return _prepared[0]


def _forgotten(source: str) -> set[str]:
    """Return the global names that a program uses and nowhere defines."""
    top = symtable.symtable(source, FILE, "exec")
    used: set[str] = set()
    defined = set(vars(builtins))
    for table in _tables(top):
        for symbol in table.get_symbols():
            if table is top or symbol.is_global():
                bound = symbol.is_assigned() or symbol.is_imported()
                (defined if bound else used).add(symbol.get_name())
    return used - defined


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _module(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Become that module, as a file in the working folder."""
    write_source(FILE, SOURCE)
    if "RecursionError" not in SOURCE and "getrecursionlimit" not in SOURCE:
        sys.setrecursionlimit(RECURSION_LIMIT)
    module = sys.modules[name] = types.ModuleType(name)
    folder = os.getcwd()  # noqa: PTH109 - a module that is not imported costs no time
    vars(module).update(given, __builtins__=builtins, __file__=f"{folder}/{FILE}")
    sys.argv[:] = [FILE]
    sys.path.insert(0, folder)
    return vars(module)
