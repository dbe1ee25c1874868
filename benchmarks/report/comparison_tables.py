"""The tables of comparisons: primary, exploratory and pooled, and what variance is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.report.comparisons import NOT_COMPARED
from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.sentences import p_words, verdict_words

if TYPE_CHECKING:
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.comparisons import PairwiseResult
    from benchmarks.report.frames import Frames
    from benchmarks.report.pooled import PooledComparison


def comparison_tables(runs: ComparedRuns, frames: Frames) -> list[DisplayTable]:
    """Return the tables of comparisons, those without a row too."""
    return [
        _pooled(runs), _verdicts(runs, primary=True), _verdicts(runs, primary=False),
        _variance(frames), _designs(runs),
    ]  # fmt: skip


def _verdicts(runs: ComparedRuns, *, primary: bool) -> DisplayTable:
    found = runs.comparisons()
    domain = ("domain",) if len(found) > 1 else ()
    repeated = "; they are repeated confidence intervals" if runs.config.until_decided else ""
    columns = ("difference", "95 % interval", "p (Holm)", "p (equivalence)", "verdict")
    return DisplayTable(
        name="verdicts" if primary else "exploratory",
        title="Primary comparisons" if primary else "All other pairs: exploratory",
        columns=("method", "against", *domain, *columns, "deciding it takes"),
        rows=tuple(
            (pair.first, pair.second, *((one.domain,) if domain else ()), *_verdict_cells(pair))
            for one in found
            for pair in (one.primary if primary else one.exploratory)
        ),
        note=(
            "Pass@1 of the method minus the other's, in points. p (equivalence): of a difference "
            f"of {runs.config.margin:g} points or more; up to 0.05 the methods are equivalent. "
            f"Intervals are not corrected by Holm{repeated}."
        ),
    )


def _verdict_cells(pair: PairwiseResult) -> list[str]:
    return [
        f"{100 * pair.value:+.1f}",
        _ends(pair.interval),
        _p_cell(pair.p) if pair.verdict != NOT_COMPARED else NONE,
        _p_cell(pair.equivalence_p),
        verdict_words(pair),
        " or ".join(map(str, pair.needed)) or NONE,
    ]


def _p_cell(p: float | None) -> str:
    return NONE if p is None else p_words(p).removeprefix("p ").removeprefix("= ")


def _pooled(runs: ComparedRuns) -> DisplayTable:
    return DisplayTable(
        name="pooled",
        title="Pooled over domains",
        columns=("method", "against", "family", "difference", "95 % interval",
                 "plain interval", "sd between", "p (Holm)", "p (equivalence)", "verdict"),
        rows=tuple(
            (one.first, one.second, one.family, *_pooled_cells(one))
            for one in runs.pooled()
        ),
        note=(
            "In points. Effects by inverse variance with the variance between domains (Paule and "
            "Mandel). p, verdict and 95 % interval are Hartung and Knapp's, which allow for "
            "domains that differ, or the plain ones where those are wider."
        ),
    )  # fmt: skip


def _pooled_cells(one: PooledComparison) -> list[str]:
    return [
        f"{100 * float(one.pooled.value):+.1f}",
        _ends(one.interval),
        _ends(one.pooled.plain_interval(one.level)),
        f"{100 * one.pooled.tau:.1f}",
        _p_cell(one.decision.p),
        _p_cell(one.decision.equivalence_p),
        one.decision.verdict,
    ]


def _ends(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _variance(frames: Frames) -> DisplayTable:
    lines = list(frames.variance.itertuples())
    closed = any(line.closed == line.closed for line in lines)
    columns = ("closed share of the gap", "95 % interval") if closed else ()
    return DisplayTable(
        name="variance",
        title="What the variance of a method's Pass@1 is made of",
        columns=("method", "sd between runs, points", "runs", "problems", "residual", *columns),
        rows=tuple(
            (line.method, *_variance_cells(line), *(_closed_cells(line) if closed else ()))
            for line in lines
        ),
        note=(
            "More seeds make the parts of runs and residual smaller, more problems those of "
            "problems and residual."
            + (" The gap is that between no data and the ceiling." if closed else "")
        ),
    )  # fmt: skip


def _variance_cells(line: Any) -> list[str]:
    if line.run != line.run:
        return [NONE] * 4
    shares = (line.run, line.problem, line.residual)
    return [f"{100 * line.run_sd:.1f}", *(f"{100 * share:.0f} %" for share in shares)]


def _closed_cells(line: Any) -> list[str]:
    if line.closed != line.closed:
        return [NONE] * 2
    return [f"{100 * line.closed:.0f} %",
            f"{100 * line.closed_low:.0f} to {100 * line.closed_high:.0f} %"]  # fmt: skip


def _designs(runs: ComparedRuns) -> DisplayTable:
    found = [one for one in runs.comparisons() if one.detectable is not None]
    return DisplayTable(
        name="designs",
        title="What more seeds or problems would do",
        columns=("design", "minimum detectable difference"),
        rows=tuple(
            (f"{one.domain}: {design}" if one.domain else str(design), f"{100 * size:.1f}")
            for one in found
            for design, size in one.outlook()
        ),
        note="In points: 80 % power, Holm-corrected. The first line is the present design.",
    )
