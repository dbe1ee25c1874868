"""Comparisons pooled over the domains or suites of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.metrics.crossed import Estimate
from benchmarks.metrics.pooling import Pooled, pool
from benchmarks.metrics.sequential import Decision, decide
from benchmarks.report.comparisons import NOT_COMPARED, Comparisons


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledComparison:
    """Pass@1 of one method minus another's, over several domains.

    Attributes:
        first: the method that the decision is about.
        second: the one that it is compared with.
        primary: whether the runs planned it.
        pooled: the mean of the difference.
        by_domain: the difference in each domain.
        decision: corrected by Holm over the pooled pairs of its family.
    """

    first: str
    second: str
    primary: bool
    pooled: Pooled
    by_domain: Mapping[str, Estimate]
    decision: Decision

    @property
    def family(self) -> str:
        """The family that Holm's correction is over."""
        return "primary" if self.primary else "exploratory"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        low, high = map(float, self.pooled.estimate.interval())
        return {
            "first": self.first, "second": self.second, "family": self.family,
            "domains": len(self.by_domain), "difference": float(self.pooled.estimate.value),
            "low": low, "high": high, "wide_low": self.pooled.wide[0],
            "wide_high": self.pooled.wide[1], "tau": self.pooled.tau, "p_holm": self.decision.p,
            "p_equivalence": self.decision.equivalence_p, "verdict": self.decision.verdict,
        }  # fmt: skip


def pool_comparisons(
    found: Sequence[Comparisons], names: Mapping[str, str], margin: float
) -> list[PooledComparison]:
    """Return every pair that is compared in all of several domains, the primary ones first.

    Args:
        found: the comparisons of each domain.
        names: the name of each method without that of its domain.
        margin: of equivalence, in points.
    """
    by_pair: dict[tuple[str, str], dict[str, Estimate]] = {}
    planned: set[tuple[str, str]] = set()
    for one in found:
        for pair in one.pairs:
            if pair.verdict == NOT_COMPARED:
                continue
            key, estimate = (names[pair.first], names[pair.second]), pair.estimate
            if key[::-1] in by_pair:  # a run that has its methods in another order
                key, estimate = key[::-1], replace(estimate, value=-estimate.value)
            by_pair.setdefault(key, {})[one.domain] = estimate
            planned |= {key} if pair.primary else set()
    complete = {k: own for k, own in by_pair.items() if len(own) == len(found) > 1}
    pooled = {key: pool(list(own.values())) for key, own in complete.items()}
    made = []
    for primary in (True, False):
        family = [key for key in complete if (key in planned) == primary]
        estimates = {key: [pooled[key].estimate] for key in family}
        made += [
            PooledComparison(first=key[0], second=key[1], primary=primary, pooled=pooled[key],
                             by_domain=complete[key], decision=decision)
            for key, decision in decide(estimates, margin=margin / 100).items()
        ]  # fmt: skip
    return made
