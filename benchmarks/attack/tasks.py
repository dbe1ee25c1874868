"""The problem that attacks are candidates for: one of each suite, under that suite's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

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
