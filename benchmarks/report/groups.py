"""Pass@1 by group of problems: those that a file names, or a benchmark's libraries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.terminal import percent

if TYPE_CHECKING:
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.frames import Frames

MOST_GROUPS = 24
"""A table of more columns cannot be read: the groups with most problems are shown."""


def group_table(runs: ComparedRuns, frames: Frames) -> DisplayTable:
    """Return a row a method and a column a group; without a row where problems have no groups."""
    members = _members(runs)
    if len(members) > MOST_GROUPS:
        largest = sorted(members, key=lambda name: -len(members[name]))[:MOST_GROUPS]
        members = {name: members[name] for name in members if name in largest}
    shares = _shares(frames)
    return DisplayTable(
        name="groups",
        title="Pass@1 by group",
        columns=("method", *(f"{name} ({len(ids)})" for name, ids in members.items())),
        rows=tuple(
            (method, *(_mean(passed, ids) for ids in members.values()))
            for method, passed in shares.items()
            if members
        ),
        note="In %, over all seeds; the number of problems is in brackets.",
    )


def _members(runs: ComparedRuns) -> dict[str, set[str]]:
    """Return the ids of each group's problems, in the order in which the data names groups."""
    members: dict[str, set[str]] = defaultdict(set)
    for run in runs.runs:
        for problem in run.read_problems():
            for name in problem.groups:
                members[name].add(problem.id)
    return dict(members)


def _shares(frames: Frames) -> dict[str, dict[str, float]]:
    """Return the share of programs that passed, by method and problem."""
    programs = frames.programs
    if not len(programs):
        return {}
    means = programs.groupby(["method", "problem"], sort=False)["passed"].mean()
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for (method, problem), share in means.items():
        shares[method][problem] = float(share)
    return dict(shares)


def _mean(passed: Mapping[str, float], ids: set[str]) -> str:
    found = [passed[key] for key in ids if key in passed]
    return percent(sum(found) / len(found)) if found else NONE
