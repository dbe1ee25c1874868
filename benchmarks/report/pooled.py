"""Comparisons pooled over the domains or suites of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.metrics.crossed import LEVEL, Estimate
from benchmarks.metrics.pooling import Pooled, pool
from benchmarks.metrics.sequential import Decision

Pair = tuple[str, str]
BySeeds = Mapping[int, Estimate]
"""The difference of a pair by the seeds of its analyses, in ascending order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledComparison:
    """Pass@1 of one method minus another's, over several domains.

    Attributes:
        first: the method that the decision is about.
        second: the one that it is compared with.
        primary: whether the runs planned it.
        pooled: the mean of the difference.
        by_domain: the difference in each domain.
        decision: corrected by Holm over its family, which the pairs of each domain belong to.
        level: of the interval.
    """

    first: str
    second: str
    primary: bool
    pooled: Pooled
    by_domain: Mapping[str, Estimate]
    decision: Decision
    level: float = LEVEL

    @property
    def family(self) -> str:
        """The family that Holm's correction is over."""
        return "primary" if self.primary else "exploratory"

    @property
    def interval(self) -> tuple[float, float]:
        """The interval that goes with the decision, uncorrected."""
        return self.pooled.interval(self.level)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        (low, high), (plain_low, plain_high) = self.interval, self.pooled.plain_interval(self.level)
        return {
            "first": self.first, "second": self.second, "family": self.family,
            "domains": len(self.by_domain), "difference": float(self.pooled.value),
            "low": low, "high": high, "plain_low": plain_low, "plain_high": plain_high,
            "tau": self.pooled.tau, "p_holm": self.decision.p,
            "p_equivalence": self.decision.equivalence_p, "verdict": self.decision.verdict,
        }  # fmt: skip


def pooled_estimates(
    by_domain: Sequence[tuple[str, Mapping[Pair, BySeeds]]], names: Mapping[str, str]
) -> dict[Pair, tuple[dict[str, Estimate], dict[int, Pooled]]]:
    """Return each pair that is compared in all of several domains: by domain, and pooled by seeds.

    It is pooled at the analyses that all domains have had, or else as each domain stands.

    Args:
        by_domain: the differences of each domain.
        names: the name of each method without that of its domain.
    """
    found: dict[Pair, dict[str, BySeeds]] = {}
    for domain, pairs in by_domain:
        for (first, second), own in pairs.items():
            key = names[first], names[second]
            if key[::-1] in found:  # a run that has its methods in another order
                key = key[::-1]
                own = {n: replace(one, value=-one.value) for n, one in own.items()}
            found.setdefault(key, {})[domain] = own
    complete = {k: own for k, own in found.items() if len(own) == len(by_domain) > 1}
    return {key: _of_pair(domains) for key, domains in complete.items()}


def _of_pair(domains: Mapping[str, BySeeds]) -> tuple[dict[str, Estimate], dict[int, Pooled]]:
    latest = {domain: own[max(own)] for domain, own in domains.items()}
    shared = sorted(set.intersection(*(set(own) for own in domains.values())))
    analyses = {n: pool([own[n] for own in domains.values()]) for n in shared}
    fewest = min(max(own) for own in domains.values())
    return latest, analyses or {fewest: pool(list(latest.values()))}
