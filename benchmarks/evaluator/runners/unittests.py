"""Inside the sandbox: the candidate and its unittest cases, in one process by nature.

`unittest` is loaded and remembered before the candidate runs, and what it is made of is compared
afterwards: a candidate that changed it fails. The reply holds a token that comes with the call and
that no global keeps, so that writing a reply without running the tests takes a walk over the
interpreter's frames or objects. What cannot be prevented in one process is listed in the README.
"""

import builtins
import os
import shutil
import sys
import types
import unittest
import unittest.mock
from typing import Any

SOURCE = ""
TEST = ""
NAME = ""
CASES = "TestCases"
GUARDED = ("unittest.case", "unittest.suite", "unittest.loader", "unittest.result", "unittest.mock")
FONTS = "matplotlib-cache"


class Outcomes(unittest.TestResult):
    """By test, "ok" where it ran to its end, or what kept it from that."""

    def __init__(self) -> None:
        """Start with nothing: a test that is never reported is not there."""
        super().__init__()
        self.by_name: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:
        """Take note, unless a subtest failed before."""
        super().addSuccess(test)
        self.by_name.setdefault(_name(test), "ok")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Let a test skip that says so itself: a program could raise `SkipTest` too."""
        super().addSkip(test, reason)
        method = getattr(test, _name(test), None)
        own = getattr(method, "__unittest_skip__", False)
        self.by_name.setdefault(_name(test), "ok" if own else "skipped")


def test_outcomes(token: str) -> dict[str, str]:
    """Run all tests of the class; by name "ok" or what went wrong, and the token under ""."""
    pristine = _fingerprint()
    _prepare_matplotlib()
    module = types.ModuleType("__test__")
    given = {"__builtins__": builtins, "__file__": "__test__.py", "sys": sys, "os": os}
    vars(module).update(given, environ=os.environ)
    sys.modules["__test__"] = module
    exec(compile(SOURCE, "__test__.py", "exec"), vars(module))
    _require_same(pristine, _fingerprint())
    exec(compile(TEST, "__test__.py", "exec"), vars(module))
    cases = vars(module)[CASES]
    written = _functions(CASES, cases, CASES)
    result = Outcomes()
    unittest.TestLoader().loadTestsFromTestCase(cases).run(result)
    _require_same([*pristine, *written], [*_fingerprint(), *_functions(CASES, cases, CASES)])
    wrong = {_name(case): _last_line(text) for case, text in [*result.failures, *result.errors]}
    passed = {name: what for name, what in result.by_name.items() if name not in wrong}
    return {**wrong, **passed, "": token}


def _name(case: unittest.TestCase) -> str:
    """Return a test's name; of a subtest, that of its test."""
    return getattr(case, "test_case", case).id().rpartition(".")[2]


def _last_line(trace: str) -> str:
    return (trace.strip().splitlines() or ["failed"])[-1][:200]


def _fingerprint() -> list[Any]:
    """Return every function of the guarded modules with its code and defaults, in order."""
    found: list[Any] = []
    for name in GUARDED:
        module = sys.modules.get(name)
        found.append((name, module))
        for key, value in sorted(vars(module).items()) if module else ():
            found += _functions(f"{name}.{key}", value)
    return found


def _functions(path: str, value: Any, of: str = "unittest") -> list[Any]:
    value = getattr(value, "__func__", value)
    if isinstance(value, types.FunctionType):
        expected = vars(value).get("__unittest_expecting_failure__")
        return [(path, value, value.__code__, value.__defaults__, expected)]
    if isinstance(value, type) and (value.__module__.startswith(of) or path == of):
        members = sorted(vars(value).items())
        return [(path, value), *(f for k, v in members for f in _functions(f"{path}.{k}", v, of))]
    return []


def _require_same(before: list[Any], after: list[Any]) -> None:
    same = len(before) == len(after) and all(
        len(old) == len(new) and old[0] == new[0] and all(map(_is, old[1:], new[1:]))
        for old, new in zip(before, after, strict=True)
    )
    if not same:
        raise RuntimeError("the program changed unittest or the tests")


def _is(old: Any, new: Any) -> bool:
    return old is new


def _prepare_matplotlib() -> None:
    """Give matplotlib the list of fonts that the environment's making left: it takes seconds."""
    os.environ["MPLBACKEND"] = "Agg"
    for folder in sys.path:
        fonts = os.path.join(folder, FONTS)  # noqa: PTH118 - as above, no import for it
        if os.path.isdir(fonts) and not os.path.exists(FONTS):  # noqa: PTH110, PTH112
            shutil.copytree(fonts, FONTS)
            os.environ["MPLCONFIGDIR"] = os.path.abspath(FONTS)  # noqa: PTH100
