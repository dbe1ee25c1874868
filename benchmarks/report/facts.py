"""Exact counts over synthetic pairs by the suite's oracles; they are never part of a score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.stages.sieve import KEPT
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Reference, Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.suites.base import Suite

DRAWN_FACTS = ("valid", "in_domain", "copy", "recombined", "new_terms")
KEPT_FACTS = ("valid", "aligned")
COVERAGE = "coverage"
FACTS = tuple(
    f"{group} {name.replace('_', ' ')}"
    for group, names in (("drawn", DRAWN_FACTS), ("kept", KEPT_FACTS))
    for name in (*names, COVERAGE)
)
"""The names of all facts, in the order of the tables."""

FactCounts = Mapping[str, Mapping[str, Any]]
"""Of one row, for "drawn" and "kept": the number of "pairs", the number of them for which each fact
holds, and "coverage"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FactRow:
    """One method: shares in [0, 1] by fact, over all seeds; coverage is the mean over seeds.

    Over all sampled instructions: "drawn valid" (a task of the universe), "drawn in domain" (made
    of the domain's operations, in its terms), "drawn copy" (a reference's program), "drawn
    recombined" (only terms of the references, not a copy), "drawn new terms" (a term of the domain
    that the references do not have), "drawn coverage" (of the domain's support); facts without an
    oracle are left out. Over the pairs kept for fine-tuning: "kept valid", "kept aligned" (the
    response is correct in the domain), "kept coverage".
    """

    method: str
    shares: Mapping[str, float]


def fact_counts(
    row: SeedRun, suite: Suite, references: Sequence[Reference] | None = None
) -> FactCounts:
    """Return counts by the suite's oracles for one row's synthetic data; empty without oracles.

    Args:
        row: a finished row.
        suite: of the run.
        references: of the row, to recognise copies and new terms.
    """
    drawn = row.synthesized.read(SYNTHETIC, Synthetic)
    kept = row.pairs.read(KEPT, Synthetic)
    counts = {
        "drawn": _counts(drawn, DRAWN_FACTS, suite, references),
        "kept": _counts(kept, KEPT_FACTS, suite, references),
    }
    return {group: own for group, own in counts.items() if own}


def _counts(
    pairs: Sequence[Synthetic],
    names: Sequence[str],
    suite: Suite,
    references: Sequence[Reference] | None,
) -> dict[str, Any]:
    """Return the number of pairs, the number for which each fact holds, and the coverage."""
    facts = [suite.oracle(pair.instruction, pair.response, references) for pair in pairs]
    known = [fact for fact in facts if fact is not None]
    if not known:
        return {}
    coverage = suite.support_coverage([pair.instruction for pair in pairs])
    return {
        "pairs": len(known),
        **{
            name: sum(bool(fact.get(name)) for fact in known)
            for name in names
            if any(name in fact for fact in known)
        },
        **({} if coverage is None else {COVERAGE: coverage}),
    }


def fact_rows(counts: Iterable[tuple[str, FactCounts]]) -> list[FactRow]:
    """Return a row for each method whose data an oracle has counted.

    Args:
        counts: for each row its method, and the result of `fact_counts`.
    """
    by_method: dict[str, list[FactCounts]] = {}
    for method, own in counts:
        by_method.setdefault(method, []).append(own)
    facts = [FactRow(method=name, shares=_shares(own)) for name, own in by_method.items()]
    return [row for row in facts if row.shares]


def _shares(rows: Sequence[FactCounts]) -> dict[str, float]:
    shares = {}
    for group, names in (("drawn", DRAWN_FACTS), ("kept", KEPT_FACTS)):
        known = [row[group] for row in rows if group in row]
        for name in names:
            counted = [own for own in known if name in own]
            if counted:
                share = sum(own[name] for own in counted) / sum(own["pairs"] for own in counted)
                shares[f"{group} {name.replace('_', ' ')}"] = share
        covered = [own[COVERAGE] for own in known if COVERAGE in own]
        if covered:
            shares[f"{group} {COVERAGE}"] = fmean(covered)
    return shares
