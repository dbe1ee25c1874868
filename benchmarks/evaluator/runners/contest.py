"""Inside the sandbox: a contest's two kinds of programs, as LiveCodeBench calls them.

The names of common standard modules are there without an import. Where LiveCodeBench makes a
script's top level the body of a function, it stays a module here: `global` works and a top-level
`return` does not, as everywhere else.
"""

import builtins
import os
import sys
from collections.abc import Callable
from typing import Any

SOURCE = ""
NAME = ""
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
_methods: list[Callable[..., Any]] = []


def standard_output(text: str) -> str:
    """Run the program as a script on this standard input; leaving by `exit()` is no error."""
    _connect(0, "stdin", text)
    _connect(1, "stdout", "")
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    written = sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        _run_source("__main__")
    except SystemExit:
        pass
    finally:
        for stream in (sys.stdout, written):
            stream.flush()
    return _content(1)


def call_method(*arguments: Any) -> Any:
    """Call a method of the program's class `Solution`, or its function: one instance for all."""
    if not _methods:
        names = _run_source("solution")
        holder = names["Solution"]() if "class Solution" in SOURCE else None
        method = names.get(NAME) if holder is None else getattr(holder, NAME, None)
        if not callable(method):
            raise NameError(f"the program defines no {NAME!r}")
        _methods.append(method)
    return _methods[0](*arguments)


def _run_source(name: str) -> dict[str, Any]:
    sys.setrecursionlimit(RECURSION_LIMIT)
    names: dict[str, Any] = {"__name__": name, "__builtins__": builtins}
    exec(PREAMBLE, names)
    exec(compile(SOURCE, "solution.py", "exec"), names)
    return names


def _connect(descriptor: int, name: str, text: str) -> None:
    """Put a file of this text behind a standard descriptor, for `open(0)` and `os.read` too."""
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.unlink(name)  # noqa: PTH108 - a module that is not imported costs no time
    data = memoryview(text.encode())
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    if file != descriptor:  # the program may have closed it
        os.dup2(file, descriptor)
        os.close(file)


def _content(descriptor: int) -> str:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts).decode("utf-8", errors="replace")
