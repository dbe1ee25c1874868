"""Pass@1 by cost: processor seconds and tokens."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.crossed import MIN_SEEDS
from benchmarks.report.figures import COLOURS, DrawnFigure, draw

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.report.method_rows import MethodRow

SECONDS = "cost_seconds"
_FOR_PAIRS = ("synthesize", "respond")
_NEAR_ZERO, _NEAR_ZERO_LOG = 0.04, 0.3
_ORDERS = 10.0  # costs that differ by more are drawn on a logarithmic axis

Cost = tuple[float, float]
"""Mean over seeds and half the width of its 95 % interval, 0 if there are too few seeds."""


def cost_figures(rows: Sequence[MethodRow], costs: pd.DataFrame) -> list[DrawnFigure]:
    """Return Pass@1 by processor seconds and by tokens, with intervals.

    Args:
        rows: the methods.
        costs: the frame of that name.
    """
    scored = [row for row in rows if row.scores]
    if not scored:
        return []
    counted = not costs["cpu_seconds"].isna().any()
    unit, column = ("processor seconds", "cpu_seconds") if counted else ("seconds", "seconds")
    seconds = _by_method(costs, column, scored)
    tokens = _by_method(costs[costs["stage"].isin(_FOR_PAIRS)], "tokens", scored)
    return [
        _figure(SECONDS, f"{unit} per seed, all stages", scored, seconds),
        _figure("cost_tokens", "tokens per seed, to generate the pairs", scored, tokens),
    ]


def _by_method(
    costs: pd.DataFrame, column: str, rows: Sequence[MethodRow]
) -> dict[str, Cost]:  # fmt: skip
    """Return the cost per seed by method, over the scored seeds."""
    by_seed = costs.groupby(["method", "seed"])[column].sum()
    return {
        row.method: _mean([float(by_seed[row.method, seed]) for seed in row.scores[0].seeds])
        for row in rows
    }


def _mean(values: Sequence[float]) -> Cost:
    from scipy.special import stdtrit

    n = len(values)
    if n < MIN_SEEDS:
        return statistics.fmean(values), 0.0
    half = float(stdtrit(n - 1, 0.975)) * statistics.stdev(values) / math.sqrt(n)
    return statistics.fmean(values), half


def _figure(
    name: str, unit: str, rows: Sequence[MethodRow], costs: Mapping[str, Cost]
) -> DrawnFigure:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            score, (cost, half) = row.scores[0], costs[row.method]
            axes.errorbar(
                [cost], [100 * score.value], xerr=[[min(half, cost)], [half]],
                yerr=[[100 * (score.value - score.low)], [100 * (score.high - score.value)]],
                fmt="os^D"[place // len(COLOURS) % 4], color=COLOURS[place % len(COLOURS)],
                elinewidth=1.2, capsize=2.5, label=row.method,
            )  # fmt: skip
        _scale(axes, [cost for cost, _ in costs.values()])
        axes.set(xlabel=unit, ylabel="Pass@1, %, with 95 % interval")
        figure.legend(loc="outside right upper")

    words = "; ".join(
        f"{row.method} {100 * row.scores[0].value:.1f} % for {costs[row.method][0]:,.0f}"
        for row in rows
    )
    return draw(
        name, f"Pass@1 by {unit}", f"Pass@1 by {unit}: {words}.", paint,
        inches=(7.5, 3.8),
    )  # fmt: skip


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """Choose the axis of costs; points with cost 0 are drawn next to its end, not on it."""
    spent = [cost for cost in costs if cost > 0] or [1.0]
    if max(spent) <= _ORDERS * min(spent):
        axes.set_xlim(left=-_NEAR_ZERO * max(spent))
    elif len(spent) == len(costs):
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min(spent))
        axes.set_xlim(left=-_NEAR_ZERO_LOG * min(spent))
