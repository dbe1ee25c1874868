"""Inside the sandbox: a function and the unittest cases for it.

Where arguments and results can cross between processes (`APART`), the tests run in one that never
runs the program: it asks the program's own process for every call, and takes data back. Where they
cannot (tests that replace parts of the program, or look at its figures), both share an interpreter.
There each test is called directly and counts only where its body reached its last line, under a
name that comes with the call; what unittest and builtins are made of is remembered before the
program loads, and a program that has changed any of it fails. What cannot be prevented in one
process is listed in the README.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import json
import os
import pickle
import random
import shutil
import sys
import types
import unittest
import unittest.mock
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.sandbox.worker import codec, crossing
from benchmarks.sandbox.worker.children import TestFailure

if TYPE_CHECKING:
    from benchmarks.sandbox.worker.children import Children, Companion, Said

CHILDREN: Children = None  # type: ignore[assignment]  # the worker's, once it is loaded
SOURCE = ""
PROMPT = ""
TEST = ""
NAME = ""
APART = ""
CASES = "TestCases"
MODULE = "__test__"
GUARDED = (
    *("builtins", "unittest", "unittest.case", "unittest.suite", "unittest.loader"),
    *("unittest.result", "unittest.mock"),
)
LAZY = ("file_spec", "open_spec")
"""What unittest.mock sets itself, at the first use of `mock_open`."""

FONTS = "matplotlib-cache"
_MEMBER = " of which "
"""Between a class and the name of a member, where a fingerprint names parts."""


def test_outcomes(token: str) -> Said | dict[str, str]:
    """Run all tests of the class; by name "ok" or what went wrong, and the token under ""."""
    _prepare_matplotlib()
    if APART:
        return {**_apart(), "": token}
    return CHILDREN.run(lambda: f"= {json.dumps(codec.encode({**_together(token), '': token}))}")


# Two processes.


def _apart() -> dict[str, str]:
    module = _test_module(PROMPT)
    program = CHILDREN.serve(_Program().answer)
    _asked(program, None)
    sent = [_random_states()]

    def function(*arguments: Any, **named: Any) -> Any:
        states = _random_states()
        seeded = states != sent[0]
        _draw()  # as the function would: seeding again with the same number then shows
        sent[0] = _random_states()
        return _asked(program, (arguments, named, states if seeded else None))

    vars(module)[NAME] = function
    exec(compile(TEST, "__test__.py", "exec"), vars(module))
    result = _Outcomes()
    unittest.TestLoader().loadTestsFromTestCase(vars(module)[CASES]).run(result)
    wrong = {_name(case): _last_line(text) for case, text in [*result.failures, *result.errors]}
    passed = {name: what for name, what in result.by_name.items() if name not in wrong}
    return {**wrong, **passed}


class _Outcomes(unittest.TestResult):
    """By test, "ok" where it ran to its end, or what kept it from that."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:
        """Take note, unless a subtest failed before."""
        super().addSuccess(test)
        self.by_name.setdefault(_name(test), "ok")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Let a test skip that says so itself."""
        super().addSkip(test, reason)
        self.by_name.setdefault(_name(test), "ok" if _skips(test) else "skipped")


def _asked(program: Companion, request: Any) -> Any:
    """Return what the program's process returns, or raise what it raised."""
    answer = program.ask(pickle.dumps(request)).decode(errors="replace")
    word, content = answer[:1], answer[1:]
    if word == "!":
        raise crossing.unpack_error(content)
    return crossing.unpack(content)


class _Program:
    """Answers in a process of its own: first loads the program, then calls its function."""

    def __init__(self) -> None:
        self._function: Callable[..., Any] | None = None

    def answer(self, request: bytes) -> bytes:
        """Return a value behind "=", an exception behind "!"."""
        try:
            return f"={crossing.pack(self._value(pickle.loads(request)))}".encode()
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
            return f"!{crossing.pack_error(error)}".encode()

    def _value(self, request: Any) -> Any:
        if self._function is None:
            self._function = vars(_test_module(SOURCE))[NAME]
            return None
        arguments, named, states = request
        if states is not None:
            _set_random_states(*map(pickle.loads, states))
        return self._function(*arguments, **named)


def _random_states() -> tuple[bytes, bytes]:
    """Return what a test may have seeded since it called the function last."""
    numpy = sys.modules.get("numpy")
    states = random.getstate(), None if numpy is None else numpy.random.get_state()
    return pickle.dumps(states[0]), pickle.dumps(states[1])


def _draw() -> None:
    random.random()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.random()


def _set_random_states(own: Any, of_numpy: Any) -> None:
    random.setstate(own)
    if of_numpy is not None and "numpy" in sys.modules:
        sys.modules["numpy"].random.set_state(of_numpy)


# One process.


def _together(token: str) -> dict[str, str]:
    pristine = _fingerprint()
    tests, mark = _marked(ast.parse(TEST), f"reached_{token}")
    module = _test_module(SOURCE)
    _require_same(pristine, _fingerprint())
    reached: set[str] = set()
    vars(module).update({"__builtins__": builtins, mark: reached.add})
    exec(compile(tests, "__test__.py", "exec"), vars(module))
    cases = vars(module)[CASES]
    names = unittest.TestLoader().getTestCaseNames(cases)
    written = [*_members(CASES, cases)]
    cases.setUpClass()
    outcomes = {name: _outcome(cases(name), name, reached) for name in names}
    cases.tearDownClass()
    cases.doClassCleanups()
    _require_same([*pristine, *written], [*_fingerprint(), *_members(CASES, cases)])
    return outcomes


def _outcome(case: unittest.TestCase, name: str, reached: set[str]) -> str:
    """Call a test as unittest would, and return "ok" or what kept it from its end."""
    if _skips(case):
        return "ok"
    try:
        try:
            case.setUp()
            getattr(case, name)()
        finally:
            case.tearDown()
            case.doCleanups()
    except unittest.SkipTest:
        return "skipped"
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        return _last_line(f"{type(error).__name__}: {error}")
    return "ok" if name in reached else "it did not reach its last line"


def _marked(tree: ast.Module, mark: str) -> tuple[ast.Module, str]:
    """Make every test report that it reached its end, or one of its `return` statements."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == CASES:
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    call = ast.Expr(
                        ast.Call(ast.Name(mark, ast.Load()), [ast.Constant(method.name)], [])
                    )
                    method.body = [*_before_returns(method.body, call), call]
    return ast.fix_missing_locations(tree), mark


def _before_returns(body: list[ast.stmt], call: ast.Expr) -> list[ast.stmt]:
    for statement in body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for field, value in ast.iter_fields(statement):
                if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                    setattr(statement, field, _before_returns(value, call))
    pairs = ([call, s] if isinstance(s, ast.Return) else [s] for s in body)
    return list(itertools.chain.from_iterable(pairs))


def _fingerprint() -> list[tuple[Any, ...]]:
    """Return all that the guarded modules are made of, in order."""
    found: list[tuple[Any, ...]] = []
    for name in GUARDED:
        module = sys.modules.get(name)
        found.append((name, module))
        for key, value in sorted(vars(module).items()) if module else ():
            if key in LAZY:
                continue
            found += _parts(f"{name}.{key}", value)
            if isinstance(value, type) and value.__module__.startswith("unittest"):
                found += _members(f"{name}.{key}", value)
    return found


def _members(path: str, kind: type) -> Iterator[tuple[Any, ...]]:
    for key, value in sorted(vars(kind).items()):
        if key not in ("__dict__", "__weakref__", "tearDown_exceptions"):
            yield from _parts(f"{path}{_MEMBER}{key}", value)


def _parts(path: str, value: Any) -> list[tuple[Any, ...]]:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    if isinstance(value, types.FunctionType):
        expected = vars(value).get("__unittest_expecting_failure__")
        return [(path, value, value.__code__, value.__defaults__, value.__kwdefaults__, expected)]
    return [(path, value)]


def _require_same(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> None:
    """Let modules have gained names, as by an import within unittest, and nothing else."""
    found = {part[0]: part for part in after}
    known = {part[0] for part in before}
    same = all(
        len(found.get(old[0], ())) == len(old) and all(map(_is, old[1:], found[old[0]][1:]))
        for old in before
    )
    gained = (path.partition(_MEMBER) for path in found.keys() - known)
    if not same or any(member and kind in known for kind, member, _ in gained):
        raise TestFailure("RuntimeError", "the program changed unittest, builtins or the tests")


def _is(old: Any, new: Any) -> bool:
    return old is new


# Both.


def _test_module(source: str) -> types.ModuleType:
    """Run source text as BigCodeBench does, and return its module."""
    module = types.ModuleType(MODULE)
    given = {"__builtins__": builtins, "__file__": "__test__.py", "sys": sys, "os": os}
    vars(module).update(given, environ=os.environ)
    sys.modules[MODULE] = module
    exec(compile(source, "__test__.py", "exec"), vars(module))
    return module


def _name(case: unittest.TestCase) -> str:
    """Return a test's name; of a subtest, that of its test."""
    return getattr(case, "test_case", case).id().rpartition(".")[2]


def _skips(case: unittest.TestCase) -> bool:
    """Whether a test says of itself that it is skipped: a program could raise `SkipTest` too."""
    method = getattr(case, _name(case), None)
    return any(getattr(one, "__unittest_skip__", False) for one in (method, type(case)))


def _last_line(trace: str) -> str:
    return (trace.strip().splitlines() or ["failed"])[-1][:200]


def _prepare_matplotlib() -> None:
    """Give matplotlib the list of fonts that the environment's making left: it takes seconds."""
    os.environ["MPLBACKEND"] = "Agg"
    for folder in sys.path:
        fonts = os.path.join(folder, FONTS)  # noqa: PTH118 - as above, no import for it
        if os.path.isdir(fonts) and not os.path.exists(FONTS):  # noqa: PTH110, PTH112
            shutil.copytree(fonts, FONTS)
            os.environ["MPLCONFIGDIR"] = os.path.abspath(FONTS)  # noqa: PTH100
