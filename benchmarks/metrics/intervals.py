"""Intervals for a mean over seeds and problems, exact tests of one seed, and Holm's correction.

`values_SP` holds pass@k estimates (or 0/1 for one greedy sample) of S seeds and P problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.metrics.crossed import LEVEL, checked, contrast, effective_number, score_ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its interval; `method` names how the interval was made."""

    value: float
    low: float
    high: float
    method: str


def mean_interval(values_SP: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return the mean over seeds and problems with its interval.

    Wilson's score interval. Of one seed of 0/1 results it is that of P problems: it says nothing of
    how another seed would come out. Else of the effective number of problems, as the variance of
    `crossed.contrast` gives it, with Student's t.
    """
    values = checked(np.atleast_2d(np.asarray(values_SP)))
    seeds, problems = values.shape[-2:]
    if problems == 1 or (seeds == 1 and np.isin(values, (0.0, 1.0)).all()):
        value = float(values.mean())
        low, high = _score_interval(value, problems, NormalDist().inv_cdf(0.5 + level / 2))
        return Interval(value=value, low=low, high=high, method="Wilson")
    from scipy.stats import t

    found = contrast([values], [1.0])
    value, variance = float(found.value), sum(map(float, found.components()))
    n = float(effective_number(found.value, np.asarray(variance), problems))
    df = (1 + 1 / problems**2 / variance) ** 2 * float(found.df) if variance else np.inf
    low, high = _score_interval(value, n, float(t.ppf(0.5 + level / 2, df)))
    method = "Wilson on the effective number of problems"
    return Interval(value=value, low=low, high=high, method=method)


def wilson(successes: int, trials: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Raises:
        ValueError: the counts are not a proportion.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is not a proportion: give 0..trials, trials > 0")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return _score_interval(successes / trials, trials, z)


def _score_interval(p: float, n: float, z: float) -> tuple[float, float]:
    low, high = map(float, score_ends(np.asarray(p), n, z))
    return (0.0 if p == 0 else low), (1.0 if p == 1 else high)


def mcnemar(wins: int, losses: int) -> float:
    """Return McNemar's exact two-sided p from the problems that only one of two models solves."""
    from scipy.stats import binomtest

    discordant = wins + losses
    return float(binomtest(wins, discordant, 0.5).pvalue) if discordant else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's corrected p-values, in the order given."""
    order = np.argsort(np.asarray(ps), kind="stable")
    scaled = np.asarray(ps)[order] * np.arange(len(ps), 0, -1)
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(p) for p in corrected]
