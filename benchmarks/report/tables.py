"""The tables of a report; they are the same in HTML, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.report.changes import changes_table
from benchmarks.report.comparison_tables import comparison_tables
from benchmarks.report.data_measure_tables import character_tables
from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.facts import FACTS
from benchmarks.report.funnel import COUNTED
from benchmarks.report.groups import group_table
from benchmarks.report.terminal import percent, unscored

if TYPE_CHECKING:
    from benchmarks.report.changes import RowChanges
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.frames import Frames
    from benchmarks.report.method_rows import MethodRow


def tables(runs: ComparedRuns, frames: Frames, changes: Sequence[RowChanges]) -> list[DisplayTable]:
    """Return the tables of a report in order, without empty ones."""
    rows = runs.method_rows()
    seeds = {run.shown(m): run.seeds for run in runs.runs for m in run.invocation.config["methods"]}
    made = [
        _scores(rows, seeds), group_table(runs, frames), *comparison_tables(runs, frames),
        _funnel(rows), *character_tables(frames),
        _facts(frames), changes_table(changes), _costs(frames, rows),
    ]  # fmt: skip
    return [table for table in made if table.rows]


def _scores(rows: Sequence[MethodRow], seeds: Mapping[str, Sequence[int]]) -> DisplayTable:
    others = [score.metric for score in max((row.scores for row in rows), key=len)[1:]]
    names = [name.replace("pass", "Pass") for name in others]
    return DisplayTable(
        name="pass_at_1",
        title="Pass@1 on base and plus inputs",
        columns=("method", "Pass@1", "95 % interval", *names, "problems", "seeds", "pairs"),
        rows=tuple((row.method, *_score_cells(row, len(others), seeds)) for row in rows),
        note=(
            "In %. The interval covers seeds and problems; with one seed, problems only: it does "
            "not show the variation between seeds. Pairs: used for fine-tuning, over all seeds."
        ),
    )


def _score_cells(row: MethodRow, others: int, seeds: Mapping[str, Sequence[int]]) -> list[str]:
    missing = [str(failure.seed) for failure in row.failures]
    wanted = len(seeds[row.method])
    if not row.scores:
        return [unscored(row), *[NONE] * (others + 2), f"0 of {wanted}", f"{row.kept:,}"]
    first, *more = row.scores
    scored = len(first.seeds)
    return [
        percent(first.value),
        f"{percent(first.low)} to {percent(first.high)}",
        *(percent(score.value) for score in more),
        str(first.problems),
        f"{scored} of {wanted} (missing {', '.join(missing)})" if missing else str(scored),
        f"{row.kept:,}",
    ]


def _funnel(rows: Sequence[MethodRow]) -> DisplayTable:
    return DisplayTable(
        name="funnel",
        title="Records kept after each step",
        columns=("method", *COUNTED),
        rows=tuple((row.method, *(f"{n:,}" for n in row.funnel.counts)) for row in rows),
        note=(
            "Over all seeds. In every step, in = kept + dropped. Candidates that a method rejected "
            "itself are not part of any step."
        ),
    )


def _facts(frames: Frames) -> DisplayTable:
    wide = frames.facts.pivot(index="method", columns="fact", values="share")
    shown = set(frames.facts["fact"])
    wide = wide.reindex(dict.fromkeys(frames.facts["method"]))[[f for f in FACTS if f in shown]]
    return DisplayTable(
        name="facts",
        title="Synthetic pairs by exact oracle",
        columns=("method", *(name.replace("_", " ") for name in wide.columns)),
        rows=tuple(
            (str(method), *(NONE if share != share else percent(share) for share in line))
            for method, line in zip(wide.index, wide.to_numpy(), strict=True)
        ),
        note=(
            "In %. Drawn: all sampled instructions; kept: pairs for fine-tuning. No score and no "
            "filter uses the oracles."
        ),
    )


def _costs(frames: Frames, rows: Sequence[MethodRow]) -> DisplayTable:
    """Return seconds by stage, over all seeds."""
    costs = frames.costs
    stages = list(dict.fromkeys(costs["stage"]))
    seconds = costs.groupby(["method", "stage"])["seconds"].sum()
    of_processors = costs.groupby("method")["cpu_seconds"].agg(lambda own: own.sum(skipna=False))
    return DisplayTable(
        name="costs",
        title="Cost of each method",
        columns=("method", *stages, "all seconds", "processor seconds", "tokens for pairs",
                 "tokens for evaluation"),
        rows=tuple(
            (
                row.method,
                *(f"{seconds.get((row.method, stage), 0.0):,.1f}" for stage in stages),
                f"{row.seconds:,.1f}",
                _seconds_cell(of_processors.get(row.method)),
                f"{row.tokens:,}",
                f"{row.evaluation_tokens:,}",
            )
            for row in rows
        ),
        note="Seconds of work, over all seeds; a stage shared by several rows counts in each.",
    )  # fmt: skip


def _seconds_cell(seconds: float | None) -> str:
    return NONE if seconds is None or seconds != seconds else f"{seconds:,.1f}"
