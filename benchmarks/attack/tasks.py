"""The problem that attacks are candidates for: one of each suite, under that suite's own rules."""

from __future__ import annotations

from pathlib import Path

from benchmarks.attack.programs import AttackError
from benchmarks.suites.evalplus_data import Dataset, load_problems
from domino.records import Problem

_EVALPLUS: dict[str, Dataset] = {"humaneval+": "humaneval", "mbpp+": "mbpp"}
SUITES = ("housestyle", *_EVALPLUS)


def problem_of(suite: str, dataset: Path | None) -> Problem:
    """Return the first test problem of a suite; `dataset` is the file of those that have one.

    Raises:
        AttackError: a file is given for a suite that has none.
        SuiteError: the file cannot be read.
    """
    if suite in _EVALPLUS:
        return load_problems(_EVALPLUS[suite], dataset).problems[0]
    if dataset is not None:
        raise AttackError(f"--dataset {dataset}: suite {suite} is in the repository, give no file")
    from benchmarks.suites.housestyle.suite import load
    from benchmarks.suites.registry import SuiteOptions

    return load(SuiteOptions()).problems("test")[0]
