"""Shares of a score's variance, and the share of the gap to the ceiling that a method closes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.crossed import MIN_SEEDS, contrast
from benchmarks.metrics.pooling import closed_share

if TYPE_CHECKING:
    from benchmarks.report.comparisons import Group


def variance_lines(groups: Sequence[Group]) -> Iterable[Mapping[str, Any]]:
    """Yield a line for each method with several runs, or with a ceiling above it."""
    for group in groups:
        for method, table in group.tables.items():
            line = {"method": method, **_parts(table), **_closed(group, method)}
            if len(line) > 1:
                yield line


def _parts(table: Any) -> dict[str, float]:
    if len(table) < 2 or table.shape[1] < 2:
        return {}
    parts = [float(part) for part in contrast([table], [1.0]).components()]
    whole = sum(parts) or 1.0
    shares = dict(
        zip(("run", "problem", "residual"), (part / whole for part in parts), strict=True)
    )
    return {"run_sd": float(parts[0] * len(table)) ** 0.5, **shares}


def _closed(group: Group, method: str) -> dict[str, float]:
    """Return the share of the gap between no data and the ceiling that a method closes."""
    ends = group.floor, group.ceiling
    if method in ends or not set(ends) <= set(group.tables) or group.design.seeds < MIN_SEEDS:
        return {}
    found = closed_share(group.tables[method], *(group.tables[end] for end in ends))
    if found is None:
        return {}
    return dict(zip(("closed", "closed_low", "closed_high"), found, strict=True))
