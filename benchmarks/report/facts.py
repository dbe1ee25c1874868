"""Exact facts about synthetic pairs, where the suite's universe is known; never part of a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.stages.sieve import KEPT
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Reference, Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.suites.base import Suite

DRAWN_FACTS = ("valid", "in_domain", "copy", "recombined", "new_terms")
KEPT_FACTS = ("valid", "aligned")
_Known = tuple[Synthetic, dict[str, Any] | None]
"""A pair with what the suite knows of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FactRow:
    """One method: shares in [0, 1] by fact, over all seeds.

    Over all instructions that the method made: "drawn valid" (a task of the universe), "drawn
    in domain" (made of the domain's operations, in its words), "drawn copy" (a reference's
    program), "drawn recombined" (nothing but what the references show, and no copy), "drawn new
    terms" (a term of the domain that they do not show), "drawn coverage" (of the domain's support);
    what a suite does not know is left out. Over the pairs that were kept for fine-tuning: "kept
    valid", "kept aligned" (the response is the domain's own program), "kept coverage".
    """

    method: str
    shares: Mapping[str, float]


def fact_rows(
    rows: Sequence[SeedRun],
    suite: Suite,
    references_of: Callable[[int], Sequence[Reference] | None] = lambda seed: None,
) -> list[FactRow]:
    """Return a row for each method whose synthetic data the suite knows something of.

    Args:
        rows: the finished rows.
        suite: of the run.
        references_of: the references of a seed, against which data is new.
    """
    by_method: dict[str, list[SeedRun]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    found = [
        FactRow(method=name, shares=_shares(own, suite, references_of))
        for name, own in by_method.items()
    ]
    return [row for row in found if row.shares]


def _shares(
    rows: Sequence[SeedRun],
    suite: Suite,
    references_of: Callable[[int], Sequence[Reference] | None],
) -> dict[str, float]:
    drawn: list[_Known] = []
    kept: list[_Known] = []
    for row in rows:
        references = references_of(row.seed)
        for pairs, into in (
            (row.synthesized.read(SYNTHETIC, Synthetic), drawn),
            (row.pairs.read(KEPT, Synthetic), kept),
        ):
            for pair in pairs:
                into.append((pair, suite.oracle(pair.instruction, pair.response, references)))
    return {
        **{f"drawn {name}": share for name, share in _means(drawn, DRAWN_FACTS, suite).items()},
        **{f"kept {name}": share for name, share in _means(kept, KEPT_FACTS, suite).items()},
    }


def _means(pairs: Sequence[_Known], names: Sequence[str], suite: Suite) -> dict[str, float]:
    """Return the share of pairs for which each known fact holds, and the coverage of all."""
    known = [fact for _, fact in pairs if fact is not None]
    if not known:
        return {}
    means = {
        name.replace("_", " "): sum(bool(fact.get(name)) for fact in known) / len(known)
        for name in names
        if any(name in fact for fact in known)
    }
    coverage = suite.support_coverage([pair.instruction for pair, _ in pairs])
    return means if coverage is None else {**means, "coverage": coverage}
