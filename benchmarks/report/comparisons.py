"""Which method beats which: every pair compared on the same problems, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.intervals import (
    LEVEL,
    Difference,
    Verdict,
    detectable_by_error,
    paired_difference,
    smallest_detectable_difference,
    verdicts,
)
from benchmarks.report.rows import pass_at_1_table

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun

_TESTS = {"mcnemar": "exact McNemar", "bootstrap": "paired bootstrap over seeds and problems"}
_WORDS: Mapping[Verdict, str] = {
    "better": "better than",
    "worse": "worse than",
    "not distinguishable": "not distinguishable from",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Pass@1 of one method minus another's, paired by seed and problem.

    Attributes:
        first: the method that `verdict` is about.
        second: the one that it is compared with.
        difference: with its interval, its uncorrected p, and the test.
        p: corrected by Holm over all pairs of the run.
        verdict: better, worse, or not distinguishable, at 5 %.
    """

    first: str
    second: str
    difference: Difference
    p: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparisons:
    """All pairs of a run.

    Attributes:
        pairs: each once; the later method of the run is `first`.
        detectable: the smallest true difference of one pair that the design finds with 80 % power
            after the correction, at the pairs' mean share of discordant problems, or their mean
            standard error; infinite where it finds none so often.
    """

    pairs: tuple[Comparison, ...]
    detectable: float

    def sentences(self) -> list[str]:
        """Return one line for each method that is compared with those before it."""
        methods = dict.fromkeys(pair.first for pair in self.pairs)
        return [_sentence(m, [pair for pair in self.pairs if pair.first == m]) for m in methods]

    def note(self) -> str:
        """Return how the pairs were compared and what that can find, in one line."""
        return f"{self.how()} {self.power()}"

    def how(self) -> str:
        """Return how the pairs were compared."""
        tests = " and ".join(sorted({_TESTS[pair.difference.test] for pair in self.pairs}))
        family = f", Holm over {len(self.pairs)} pairs" if len(self.pairs) > 1 else ""
        return f"Pairs by problem: {tests}{family} at 5 %."

    def power(self) -> str:
        """Return the smallest difference that the design is likely to find."""
        if not isfinite(self.detectable):
            return (
                "No true difference would be found in 80 % of such runs: the problems are too few."
            )
        points = 100 * self.detectable
        alone = " of one pair" if len(self.pairs) > 1 else ""
        return (
            f"A true difference{alone} of {points:.1f} points would be found in 80 % of such runs."
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the pairs as plain data."""
        return [
            {
                "first": pair.first,
                "second": pair.second,
                "difference": pair.difference.interval.value,
                "low": pair.difference.interval.low,
                "high": pair.difference.interval.high,
                "test": pair.difference.test,
                "p": pair.difference.p,
                "p_holm": pair.p,
                "verdict": pair.verdict,
            }
            for pair in self.pairs
        ]


def compare(rows: Iterable[SeedRun]) -> Comparisons | None:
    """Compare every two methods that ran with all seeds; None where there are no two.

    All seeds are those of the first method that has the most. The problems are the same in every
    row.
    """
    by_method: dict[str, list[SeedRun]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    seeds = max((_seeds(found) for found in by_method.values()), key=len, default=[])
    tables = {m: pass_at_1_table(found) for m, found in by_method.items() if _seeds(found) == seeds}
    if len(tables) < 2:
        return None
    names = list(tables)
    differences = {
        (later, earlier): paired_difference(tables[later], tables[earlier])
        for place, later in enumerate(names)
        for earlier in names[:place]
    }
    pairs = tuple(
        Comparison(
            first=first, second=second, difference=differences[first, second], p=p, verdict=verdict
        )
        for (first, second), (verdict, p) in verdicts(differences).items()
    )
    return Comparisons(pairs=pairs, detectable=_detectable(list(tables.values()), pairs))


def _seeds(rows: Sequence[SeedRun]) -> list[int]:
    return sorted(row.seed for row in rows)


def _detectable(tables: Sequence[NDArray[np.float64]], pairs: Sequence[Comparison]) -> float:
    if any(pair.difference.test != "mcnemar" for pair in pairs):
        intervals = [pair.difference.interval for pair in pairs]
        width = float(np.mean([interval.high - interval.low for interval in intervals]))
        error = width / 2 / NormalDist().inv_cdf(0.5 + LEVEL / 2)
        return detectable_by_error(error, comparisons=len(pairs))
    problems = tables[0].shape[1]
    apart = float(np.mean([np.abs(a - b).mean() for a, b in combinations(tables, 2)]))
    return smallest_detectable_difference(
        problems, discordance=max(apart, 1 / problems), comparisons=len(pairs)
    )


def _sentence(method: str, pairs: Sequence[Comparison]) -> str:
    parts = []
    for verdict, words in _WORDS.items():
        others = [
            f"{pair.second} ({100 * pair.difference.interval.value:+.1f})"
            for pair in pairs
            if pair.verdict == verdict
        ]
        if others:
            parts.append(f"{words} {', '.join(others)}")
    return f"{method} is {'; '.join(parts)}."
