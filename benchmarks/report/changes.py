"""Problems that a row gained and lost compared with no data: one page per row, with programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks.config.comparison_config import NO_DATA
from benchmarks.pipeline.rows import SeedRun
from benchmarks.report.display_table import DisplayTable
from benchmarks.stages.evaluate import PROGRAMS, VERDICTS, overall
from domino.records import Program, Verdict

if TYPE_CHECKING:
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.stored import StoredRun

SHOWN = 100
"""Maximum number of gained, and of lost, problems on a page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemChange:
    """A problem that one of two rows solves more often.

    Attributes:
        problem: its id.
        prompt: its text; "" if this machine does not have it.
        solved: a program that passed.
        failed: a program of the other row that failed.
        outcome: how that program ended.
        detail: the first test that it failed.
    """

    problem: str
    prompt: str
    solved: str
    failed: str
    outcome: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RowChanges:
    """A row compared with no data with the same seed.

    Attributes:
        method: its name in the report.
        seed: of both rows.
        gained: ids of problems that the row solves more often.
        lost: ids of problems that no data solves more often.
        programs: for gained and lost problems, at most SHOWN each; empty if this machine has no
            programs.
    """

    method: str
    seed: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    programs: tuple[tuple[ProblemChange, ...], tuple[ProblemChange, ...]] = ((), ())

    @property
    def file(self) -> str:
        """The page's name in a report."""
        plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.method)
        return f"changes/{plain}-{self.seed}.html"


def row_changes(runs: ComparedRuns) -> list[RowChanges]:
    """Return each scored row compared with the no-data row of the same run and seed."""
    return [change for run in runs.runs for change in _of_run(run)]


def _of_run(run: StoredRun) -> Iterator[RowChanges]:
    scored = [row for row in run.rows if isinstance(row, SeedRun)]
    bases = {row.seed: row for row in scored if row.method == NO_DATA}
    prompts = {problem.id: problem.prompt for problem in run.read_problems()}
    for row in scored:
        if row.method != NO_DATA and row.seed in bases:
            base = bases[row.seed]
            own, other = _by_problem(row), _by_problem(base)
            shares = {p: _share(own[p]) - _share(other[p]) for p in own if p in other}
            gained = [problem for problem, change in shares.items() if change > 0]
            lost = [problem for problem, change in shares.items() if change < 0]
            yield RowChanges(
                method=run.shown(row.method), seed=row.seed, gained=tuple(gained),
                lost=tuple(lost),
                programs=(_changes(gained, row, base, prompts), _changes(lost, base, row, prompts)),
            )  # fmt: skip


def _by_problem(row: SeedRun) -> dict[str, list[Verdict]]:
    verdicts = sorted(row.evaluated.read(VERDICTS, Verdict), key=lambda v: v.problem_id)
    return {problem: list(own) for problem, own in groupby(verdicts, lambda v: v.problem_id)}


def _share(verdicts: Sequence[Verdict]) -> float:
    return sum(verdict.passed for verdict in verdicts) / len(verdicts)


def _changes(
    problems: Sequence[str], solver: SeedRun, other: SeedRun, prompts: dict[str, str]
) -> tuple[ProblemChange, ...]:
    """Return for each problem a program that passed, and one of the other row that failed."""
    solved, failed = (
        {program.id: program.code for program in row.evaluated.read(PROGRAMS, Program)}
        for row in (solver, other)
    )
    if not solved or not failed:
        return ()
    passing, failing = _by_problem(solver), _by_problem(other)
    made = []
    for problem in problems[:SHOWN]:
        good = next(verdict for verdict in passing[problem] if verdict.passed)
        bad = next(verdict for verdict in failing[problem] if not verdict.passed)
        made.append(
            ProblemChange(
                problem=problem,
                prompt=prompts.get(problem, ""),
                solved=solved[good.program_id],
                failed=failed[bad.program_id],
                outcome=overall(bad),
                detail=bad.detail,
            )
        )
    return tuple(made)


def changes_table(changes: Sequence[RowChanges]) -> DisplayTable:
    """Return how many problems each row gained and lost."""
    return DisplayTable(
        name="changes",
        title="Problems gained and lost compared with no data",
        columns=("method", "seed", "gained", "lost"),
        rows=tuple(
            (one.method, str(one.seed), str(len(one.gained)), str(len(one.lost))) for one in changes
        ),
        note="Solved more often, and less often, than by the plain backbone with the same seed.",
    )
