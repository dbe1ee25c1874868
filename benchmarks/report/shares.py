"""Shares of a score's variance, and the share of the gap to the ceiling that a method closes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.crossed import MIN_SEEDS, contrast
from benchmarks.metrics.pooling import ClosedShare, closed_share, pool

if TYPE_CHECKING:
    from benchmarks.report.comparisons import Group


def variance_lines(
    groups: Sequence[Group], names: Mapping[str, str] | None = None
) -> Iterable[Mapping[str, Any]]:
    """Yield a line for each method with several runs, or with a ceiling above it.

    Args:
        groups: the methods of each data set.
        names: the name of each method without that of its data set: if there are several, one more
            line per method has the share of the gap that it closes over all of them.
    """
    closed: dict[str, list[ClosedShare]] = {}
    for group in groups:
        for method, table in group.tables.items():
            share = _closed(group, method)
            line = {"method": method, **_parts(table)}
            if share is not None:
                line |= _ends(float(share.estimate.value), share.low, share.high)
                if names is not None:
                    closed.setdefault(names[method], []).append(share)
            if len(line) > 1:
                yield line
    for method, own in closed.items():
        if len(own) == len(groups) > 1:
            pooled = pool([share.estimate for share in own])
            ends = _ends(float(pooled.value), *pooled.interval())
            yield {"method": f"{method} over {len(own)} domains", **ends}


def _parts(table: Any) -> dict[str, float]:
    if len(table) < 2 or table.shape[1] < 2:
        return {}
    parts = [float(part) for part in contrast([table], [1.0]).components()]
    whole = sum(parts) or 1.0
    shares = dict(
        zip(("run", "problem", "residual"), (part / whole for part in parts), strict=True)
    )
    return {"run_sd": float(parts[0] * len(table)) ** 0.5, **shares}


def _closed(group: Group, method: str) -> ClosedShare | None:
    """Return the share of the gap between no data and the ceiling that a method closes."""
    ends = group.floor, group.ceiling
    if method in ends or not set(ends) <= set(group.tables) or group.design.seeds < MIN_SEEDS:
        return None
    return closed_share(group.tables[method], *(group.tables[end] for end in ends))


def _ends(value: float, low: float, high: float) -> dict[str, float]:
    return {"closed": value, "closed_low": low, "closed_high": high}
