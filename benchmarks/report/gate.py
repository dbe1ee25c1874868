"""Requirements on stored runs: which hold, which are broken, and which are undecided yet.

`A > B` holds where the report's own verdict calls A better. `A not worse than B by 2` holds where a
difference of -2 points or less is ruled out by a one-sided test at 5 %. B may be `baseline` (the
method of A's name in a baseline file) or `baseline:NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.fields import ConfigError, closest
from benchmarks.metrics.crossed import LEVEL, MIN_SEEDS, Design, Estimate, difference, needed
from benchmarks.report.baseline import BASELINE, Baseline
from benchmarks.report.comparisons import NOT_COMPARED

if TYPE_CHECKING:
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.comparisons import Comparisons, Group

HOLDS, BROKEN, UNDECIDED = 0, 3, 4
"""Exit codes."""

Outcome = Literal["holds", "broken", "undecided"]
_CODES: Mapping[Outcome, int] = {"holds": HOLDS, "broken": BROKEN, "undecided": UNDECIDED}
_NAME = r"(?P<{}>\S+(?:\s\([^)]*\))?)"
_BETTER = re.compile(rf"{_NAME.format('a')}\s*(?P<sign>[<>])\s*{_NAME.format('b')}")
_NOT_WORSE = re.compile(
    rf"{_NAME.format('a')}\s+not\s+worse\s+than\s+{_NAME.format('b')}\s+by\s+"
    r"(?P<points>\d+(?:\.\d+)?)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One requirement: of the first method; `points` is its margin, None for better."""

    text: str
    first: str
    second: str
    points: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What became of a requirement on one data set, and why in words."""

    text: str
    outcome: Outcome
    why: str


def read_requirement(text: str) -> Requirement:
    """Return a requirement of one of the two forms.

    Raises:
        ConfigError: it has another form, or a margin of 0.
    """
    better, not_worse = _BETTER.fullmatch(text.strip()), _NOT_WORSE.fullmatch(text.strip())
    if better:
        names = better["a"], better["b"]
        first, second = names if better["sign"] == ">" else names[::-1]
        found = Requirement(text=text.strip(), first=first, second=second)
    elif not_worse and float(not_worse["points"]) > 0:
        found = Requirement(
            text=text.strip(),
            first=not_worse["a"],
            second=not_worse["b"],
            points=float(not_worse["points"]),
        )
    else:
        raise ConfigError(
            f"--require {text!r}: give 'A > B', or 'A not worse than B by POINTS' with points "
            "above 0"
        )
    if found.first == found.second:
        raise ConfigError(f"--require {text!r}: compares a method with itself: name two")
    return found


def judge(
    runs: ComparedRuns, requirements: Sequence[Requirement], baseline: Baseline | None = None
) -> list[Judged]:
    """Return what became of every requirement, on each data set of the runs.

    Raises:
        ConfigError: a method is in none of the runs, or not in the baseline.
    """
    groups, found = runs.groups(), runs.comparisons()
    judged = []
    for requirement in requirements:
        for group, comparisons in zip(groups, found, strict=True):
            text = f"{group.domain}: {requirement.text}" if group.domain else requirement.text
            judged.append(_judged(text, requirement, group, comparisons, baseline))
    return judged


def exit_code_of(judged: Sequence[Judged]) -> int:
    """Return 3 where a requirement is broken, else 4 where one is undecided, else 0."""
    codes = {_CODES[one.outcome] for one in judged}
    return next((code for code in (BROKEN, UNDECIDED) if code in codes), HOLDS)


def junit(judged: Sequence[Judged], name: str) -> str:
    """Return JUnit XML: a broken requirement is a failure, an undecided one an error."""
    counts = {outcome: sum(one.outcome == outcome for one in judged) for outcome in _CODES}
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(judged)),
        failures=str(counts["broken"]),
        errors=str(counts["undecided"]),
    )
    for one in judged:
        case = ElementTree.SubElement(suite, "testcase", classname="requirement", name=one.text)
        if one.outcome != "holds":
            tag = "failure" if one.outcome == "broken" else "error"
            ElementTree.SubElement(case, tag, message=one.why, type=one.outcome)
    ElementTree.indent(suite)
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _judged(
    text: str,
    requirement: Requirement,
    group: Group,
    comparisons: Comparisons,
    baseline: Baseline | None,
) -> Judged:
    estimate, seeds = _estimate(requirement, group, baseline)
    if estimate is None:
        return Judged(
            text=text, outcome="undecided", why="a method has not been scored with every seed"
        )
    low, high = (100 * float(end) for end in estimate.interval())
    why = f"{100 * float(estimate.value):+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"
    if seeds < MIN_SEEDS:
        needs = f"{why}; methods are compared from {MIN_SEEDS} seeds on, and there are {seeds}"
        return Judged(text=text, outcome="undecided", why=needs)
    outcome = _outcome(requirement, estimate, comparisons)
    if outcome == "undecided":
        why += _what_it_takes(requirement, estimate, group.design, comparisons)
    return Judged(text=text, outcome=outcome, why=why)


def _estimate(
    requirement: Requirement, group: Group, baseline: Baseline | None
) -> tuple[Estimate | None, int]:
    """Return the difference of the two methods, None where one is incomplete; and the seeds."""
    _require_known(requirement.first, group)
    second: NDArray[np.float64] | None
    first = group.tables.get(requirement.first)
    if requirement.second.partition(":")[0] == BASELINE:
        if baseline is None:
            raise ConfigError(f"--require {requirement.text!r}: give the --baseline FILE")
        name = requirement.second.partition(":")[2] or requirement.first
        second = baseline.table(name, group.problems)
    else:
        _require_known(requirement.second, group)
        second = group.tables.get(requirement.second)
    if first is None or second is None:
        return None, 0
    return difference(first, second), max(len(first), len(second))


def _require_known(name: str, group: Group) -> None:
    known = [*group.tables, *group.missing]
    if name not in known:
        raise ConfigError(
            f"--require names {name!r}{closest(name, known)}, which is not a method of the run: "
            f"there are {', '.join(known)}"
        )


def _outcome(requirement: Requirement, estimate: Estimate, comparisons: Comparisons) -> Outcome:
    if requirement.points is not None:
        return _not_worse(estimate, requirement.points / 100)
    verdict = _verdict(requirement, estimate, comparisons)
    if verdict == "better":
        return "holds"
    return "undecided" if verdict in ("undecided", NOT_COMPARED) else "broken"


def _not_worse(estimate: Estimate, margin: float) -> Outcome:
    """Return what a one-sided test of a difference of -margin says, in both directions."""
    from scipy.special import stdtr

    share = float(stdtr(estimate.df, (float(estimate.value) + margin) / float(estimate.error)))
    if 1 - share <= 1 - LEVEL:
        return "holds"
    return "broken" if share <= 1 - LEVEL else "undecided"


def _verdict(requirement: Requirement, estimate: Estimate, comparisons: Comparisons) -> str:
    """Return the report's verdict on the first method; of a baseline, that of a test of its own."""
    from benchmarks.metrics.sequential import decide

    pair = (requirement.first, requirement.second)
    for one in comparisons.pairs:
        if (one.first, one.second) == pair:
            return one.verdict
        if (one.second, one.first) == pair:
            return {"better": "worse", "worse": "better"}.get(one.verdict, one.verdict)
    seeds = comparisons.design.seeds
    return decide({0: {seeds: estimate}}, margin=comparisons.margin / 100)[0].verdict


def _what_it_takes(
    requirement: Requirement, estimate: Estimate, now: Design, comparisons: Comparisons
) -> str:
    margin = requirement.points or comparisons.margin
    designs = needed(estimate, now, margin / 100, 1)
    found = " or ".join(map(str, designs))
    return f"; deciding it takes {found}" if found else "; no design of up to 64 seeds decides it"
