"""Exact facts about synthetic pairs, where the suite's universe is known; never part of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.stages.sieve import KEPT
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.suites.base import Suite

DRAWN_FACTS = ("valid", "in_domain", "copy")
KEPT_FACTS = ("valid", "aligned")


@dataclass(frozen=True, kw_only=True, slots=True)
class FactRow:
    """One method: shares in [0, 1] by fact, over all seeds.

    Over all instructions that the method made: "drawn valid" (a task of the universe), "drawn
    in domain" (made of the domain's operations), "drawn copy" (a reference's program), "drawn
    coverage" (of the domain's support). Over the pairs that were kept for fine-tuning: "kept
    valid", "kept aligned" (the response is the domain's own program), "kept coverage".
    """

    method: str
    shares: Mapping[str, float]


def fact_rows(rows: Sequence[SeedRun], suite: Suite) -> list[FactRow]:
    """Return a row for each method whose synthetic data the suite knows something of."""
    by_method: dict[str, list[SeedRun]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    facts = [FactRow(method=name, shares=_shares(own, suite)) for name, own in by_method.items()]
    return [row for row in facts if row.shares]


def _shares(rows: Sequence[SeedRun], suite: Suite) -> dict[str, float]:
    drawn = [pair for row in rows for pair in row.synthesized.read(SYNTHETIC, Synthetic)]
    kept = [pair for row in rows for pair in row.pairs.read(KEPT, Synthetic)]
    return {
        **{f"drawn {name}": share for name, share in _means(drawn, DRAWN_FACTS, suite).items()},
        **{f"kept {name}": share for name, share in _means(kept, KEPT_FACTS, suite).items()},
    }


def _means(pairs: Sequence[Synthetic], names: Sequence[str], suite: Suite) -> dict[str, float]:
    """Return the share of pairs for which each fact holds, and the coverage of all."""
    facts = [suite.oracle(pair.instruction, pair.response) for pair in pairs]
    known = [fact for fact in facts if fact is not None]
    if not known:
        return {}
    means = {
        name.replace("_", " "): sum(bool(fact.get(name)) for fact in known) / len(known)
        for name in names
    }
    coverage = suite.support_coverage([pair.instruction for pair in pairs])
    return means if coverage is None else {**means, "coverage": coverage}
