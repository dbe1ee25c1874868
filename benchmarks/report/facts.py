"""Exact facts about synthetic pairs, where the suite's universe is known; never part of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.stages.sieve import KEPT
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Synthetic

if TYPE_CHECKING:
    from benchmarks.run import Row
    from benchmarks.suites.base import Suite

COVERAGE = "coverage"


@dataclass(frozen=True, kw_only=True, slots=True)
class FactRow:
    """One method: shares in [0, 1] by fact, over all seeds.

    "drawn ..." is over all instructions that the method made, "kept ..." over the pairs that were
    fine-tuned on.
    """

    method: str
    shares: Mapping[str, float]


def fact_rows(rows: Sequence[Row], suite: Suite) -> list[FactRow]:
    """Return a row for each method whose synthetic data the suite knows something of."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    facts = [FactRow(method=name, shares=_shares(own, suite)) for name, own in by_method.items()]
    return [row for row in facts if row.shares]


def _shares(rows: Sequence[Row], suite: Suite) -> dict[str, float]:
    drawn = [pair for row in rows for pair in row.synthesized.read(SYNTHETIC, Synthetic)]
    kept = [pair for row in rows for pair in row.pairs.read(KEPT, Synthetic)]
    return {
        **{f"drawn {name}": share for name, share in _means(drawn, suite).items()},
        **{f"kept {name}": share for name, share in _means(kept, suite).items()},
    }


def _means(pairs: Sequence[Synthetic], suite: Suite) -> dict[str, float]:
    """Return the share of pairs for which each yes-or-no fact holds, and the coverage of all."""
    counts: dict[str, list[bool]] = {}
    for pair in pairs:
        for name, value in (suite.oracle(pair.instruction, pair.response) or {}).items():
            if isinstance(value, bool):
                counts.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in counts.items()}
    coverage = suite.support_coverage([pair.instruction for pair in pairs]) if pairs else None
    return means if coverage is None else {**means, COVERAGE: coverage}
