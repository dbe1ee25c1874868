"""How a suite's programs are called, as source text around the candidate's own.

The other modules of this package run inside the sandbox, as text: each has a function that the
worker calls, and the program's source in `SOURCE`. None of them knows an expected value.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from benchmarks.evaluator.runners import contest, literal, sql, unittests
from domino.records import Problem

_RUNNERS: Mapping[str, tuple[ModuleType, str]] = MappingProxyType(
    {
        "literal": (literal, "stated_value"),
        "method": (contest, "call_method"),
        "script": (contest, "standard_output"),
        "sql": (sql, "rows"),
        "unittests": (unittests, "test_outcomes"),
    }
)


_FORKING = (contest, unittests)


class RunnerError(ValueError):
    """A problem asks for a way of running that does not exist: which problem, and what there is."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """Source text for the worker and the function in it that is called once an input.

    `forks` says that the function runs the candidate in processes of its own.
    """

    code: str
    entry_point: str
    forks: bool = False


def runnable(problem: Problem, code: str) -> Runnable:
    """Return a candidate's source as `problem.meta["runner"]` has it run, itself where none is set.

    Raises:
        RunnerError: an unknown name.
    """
    name = problem.meta.get("runner")
    if name is None:
        return Runnable(code, problem.entry_point)
    if name not in _RUNNERS:
        known = ", ".join(map(repr, _RUNNERS))
        raise RunnerError(f"problem {problem.id!r} has runner {name!r}: there are {known}")
    module, entry_point = _RUNNERS[name]
    given = {
        # BigCodeBench calibrates: a program that forgot the prompt's imports gets them.
        "SOURCE": problem.meta.get("calibration", "") + code,
        "PROMPT": problem.meta.get("calibration", ""),
        "APART": problem.meta.get("apart", ""),
        "NAME": problem.entry_point,
        "TEST": problem.meta.get("test", ""),
        "CASES": problem.meta.get("cases", "TestCases"),
        "IMPORTS": problem.meta.get("imports", ""),
    }
    values = "".join(f"{key} = {value!a}\n" for key, value in given.items())
    return Runnable(f"{_source(module)}\n{values}", entry_point, forks=module in _FORKING)


@functools.cache
def _source(module: ModuleType) -> str:
    """Return a module's text, read once: files may change under a long run."""
    return inspect.getsource(module)
