"""The problem that attacks are candidates for: one of each suite, under that suite's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.attack.programs import AttackError
from benchmarks.evaluator.stated import StatedProblem
from benchmarks.suites.evalplus_data import Dataset, load_problems
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Problem

_ROWS = Path(__file__).parent / "rows"
_EVALPLUS: Mapping[str, Dataset] = {"humaneval+": "humaneval", "mbpp+": "mbpp"}
_FILES = {
    "livecodebench-script": "livecodebench",
    "livecodebench-method": "livecodebench",
    "livecodebench-execution": "livecodebench-execution",
    "cruxeval": "cruxeval",
    "bigcodebench": "bigcodebench",
}
"""A file of one problem in the suite's own schema, and the suite that reads it."""

_SOLUTIONS = {
    "livecodebench-script": "print(sum(map(int, input().split())))",
    "livecodebench-method": (
        "class Solution:\n    def total(self, numbers):\n        return sum(numbers)"
    ),
}
"""Right programs where the data set states outputs alone."""

_CALL_S = 2.0
"""Processor seconds of a call: suites give up to minutes, which every endless attack would take."""

EMBEDDED = ("housestyle", *_FILES)
"""Suites that need no data file."""

SUITES = (*EMBEDDED, *_EVALPLUS)
EVERY = "all"


def suites_of(name: str) -> tuple[str, ...]:
    """Return the suites that a name stands for: `all` is every one that needs no file."""
    return EMBEDDED if name == EVERY else (name,)


def problem_of(suite: str, dataset: Path | None) -> Problem:
    """Return a suite's problem; `dataset` is the file of those whose first problem is taken.

    Raises:
        AttackError: a file is given for a suite that needs none.
        SuiteError: the file cannot be read.
    """
    if suite in _EVALPLUS:
        return load_problems(_EVALPLUS[suite], dataset).problems[0]
    if dataset is not None:
        raise AttackError(f"--dataset {dataset}: suite {suite} brings its problem, give no file")
    if suite not in _FILES:
        return load_suite(suite, SuiteOptions()).problems("test")[0]
    options = SuiteOptions(dataset=_ROWS / f"{suite}.jsonl")
    problem = load_suite(_FILES[suite], options).everything()[0]
    solution = _SOLUTIONS.get(suite, problem.canonical_solution)
    problem = replace(problem, canonical_solution=solution)
    if isinstance(problem, StatedProblem):
        return replace(problem, call_timeout_s=_CALL_S)
    return problem


_PRIME = "def prime(n): return n > 1 and all(n % d for d in range(2, int(n ** 0.5) + 1))"
_INTEGERS = [[[1, 2, 3]], [[4, 5]]], [[[7]], [[]], [[10, -3]]]
_FLOATS = [[[1, 2, 4]], [[4, 5]]], [[[7, 8]], [[10, -3.5]], [[1e6, 2]]]
_OWN: Mapping[str, tuple[str, Any, str]] = {
    "mean": ("def mean(numbers): return sum(numbers) / len(numbers)", _FLOATS, "evalplus"),
    "one": ("def one(numbers): return [sum(numbers) / len(numbers)]", _FLOATS, "evalplus"),
    "truth": ("def truth(numbers): return sum(numbers) > 6", _INTEGERS, "evalplus"),
    "sum": ("def sum_of(numbers): return sum(numbers)", _INTEGERS, "evalplus"),
    "prime": (
        _PRIME,
        ([[n] for n in (2, 9, 11, 15, 17, 21)], [[n] for n in (1, 7, 25, 29, 33)]),
        "exact",
    ),
    "large": (
        "def large(n): return [k * k % 1000003 for k in range(n)]",
        ([[3], [20000]], [[30000], [5]]),
        "exact",
    ),
    "slow": ("def slow(n): return n * (n - 1) // 2", ([[6_000_000]], [[7_000_000]]), "exact"),
}
"""Canonical solution, base and plus inputs, and rules of comparison."""

OWN_PROBLEMS = (*_OWN, *_FILES)
"""Names of problems that attacks ask for, since they make sense there alone."""


def own_problem(name: str) -> Problem:
    """Return a problem of OWN_PROBLEMS.

    Raises:
        AttackError: there is none of that name.
    """
    if name in _FILES:
        return problem_of(name, None)
    if name not in _OWN:
        raise AttackError(f"no problem is named {name!r}: known are {', '.join(OWN_PROBLEMS)}")
    solution, (base, plus), comparison = _OWN[name]
    entry_point = solution[4 : solution.index("(")]
    return Problem(
        id=entry_point,
        prompt="",
        entry_point=entry_point,
        canonical_solution=solution,
        base_inputs=base,
        plus_inputs=plus,
        atol=1e-6 if comparison == "evalplus" else 0.0,
        meta={"comparison": comparison, "dataset": "humaneval"},
    )
