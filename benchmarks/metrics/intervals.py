"""Intervals for a mean over seeds and problems, and for the difference of two methods.

`values_SP` holds pass@k estimates (or 0/1 for one greedy sample) of S seeds and P problems. A seed
is a whole pipeline, so seeds vary as problems do: resampling one of the two alone is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
LEVEL = 0.95
_BLOCK = 500  # resamples at a time, so that the counts stay in the cache

Floats = NDArray[np.float64]
Verdict = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its interval; `method` names how the interval was made."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Method A minus method B on the same problems.

    Attributes:
        interval: the mean difference and its interval.
        p: of no difference, before any correction for several comparisons.
        test: "mcnemar" (exact) or "bootstrap".
        wins: problems that only A solves; None where results are not 0/1 of one seed.
        losses: problems that only B solves; None likewise.
    """

    interval: Interval
    p: float
    test: str
    wins: int | None = None
    losses: int | None = None


def mean_interval(
    values_SP: ArrayLike, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the mean over seeds and problems with its interval.

    - One seed of 0/1 results: Wilson's interval over problems, which holds at 0 and 1 too.
    - All results 0, or all 1, over several seeds: a bootstrap would be a point. Wilson over the
      problems alone, as if there were one seed: repeating a problem with another seed is no
      independent trial, so counting all S*P would be too narrow.
    - Otherwise: bootstrap of seeds and of problems, crossed.

    The interval of one seed says nothing of how another seed would come out.
    """
    values = _matrix(values_SP)
    value = float(values.mean())
    seeds, problems = values.shape
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    if (binary and seeds == 1) or value in (0.0, 1.0):
        low, high = wilson(round(value * problems), problems, level=level)
        return Interval(value=value, low=low, high=high, method="wilson")
    means = bootstrap_means(values, resamples=resamples, seed=seed)
    low, high = _percentiles(means, level)
    return Interval(value=value, low=low, high=high, method="bootstrap over seeds and problems")


def wilson(successes: int, trials: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Raises:
        ValueError: the counts are no proportion.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no proportion: give 0..trials of at least 1")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    low = 0.0 if successes == 0 else float(centre - half)
    high = 1.0 if successes == trials else float(centre + half)
    return low, high


def bootstrap_means(values_SP: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Return the means of tables whose rows and columns are drawn with replacement, shape [R].

    Counts of how often a row or a column was drawn stand in for the tables themselves.
    """
    values = _matrix(values_SP)
    seeds, problems = values.shape
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        rows_RP = _draw_counts(rng, size, seeds) @ values
        means.append((rows_RP * _draw_counts(rng, size, problems)).sum(axis=1))
    result: Floats = np.concatenate(means) / (seeds * problems)
    return result


def _draw_counts(rng: np.random.Generator, size: int, n: int) -> NDArray[np.int64]:
    """Return how often each of n items is drawn in n draws, shape [size, n]."""
    drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def paired_difference(
    a_SP: ArrayLike,
    b_SP: ArrayLike,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Compare two methods on the same seeds and problems, in the same order.

    The interval is a bootstrap of the table of differences. p is McNemar's exact one for 0/1
    results of one seed, else twice the bootstrap's smaller tail.

    Raises:
        ValueError: the tables do not have one shape.
    """
    a, b = _matrix(a_SP), _matrix(b_SP)
    if a.shape != b.shape:
        raise ValueError(f"paired results need one shape [seeds, problems]: {a.shape}, {b.shape}")
    means = bootstrap_means(a - b, resamples=resamples, seed=seed)
    low, high = _percentiles(means, level)
    interval = Interval(value=float((a - b).mean()), low=low, high=high, method="paired bootstrap")
    if a.shape[0] == 1 and np.isin(np.stack([a, b]), (0.0, 1.0)).all():
        wins, losses = int((a > b).sum()), int((a < b).sum())
        p = mcnemar(wins, losses)
        return Difference(interval=interval, p=p, test="mcnemar", wins=wins, losses=losses)
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(interval=interval, p=p, test="bootstrap")


def mcnemar(wins: int, losses: int) -> float:
    """Return McNemar's exact two-sided p from the problems that only one of two methods solves."""
    from scipy.stats import binomtest

    discordant = wins + losses
    return float(binomtest(wins, discordant, 0.5).pvalue) if discordant else 1.0


def verdicts(
    differences: Mapping[tuple[str, str], Difference], *, level: float = LEVEL
) -> dict[tuple[str, str], tuple[Verdict, float]]:
    """Return for each pair (A, B) what may be said of A, and the p corrected by Holm over all."""
    if not differences:
        return {}
    corrected = holm([difference.p for difference in differences.values()])
    return {
        pair: (_word(difference.interval.value, p, level), p)
        for (pair, difference), p in zip(differences.items(), corrected, strict=True)
    }


def holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's corrected p-values, in the order given."""
    order = np.argsort(np.asarray(ps), kind="stable")
    scaled = np.asarray(ps)[order] * np.arange(len(ps), 0, -1)
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(p) for p in corrected]


def smallest_detectable_difference(
    problems: int,
    *,
    discordance: float = 0.1,
    comparisons: int = 1,
    power: float = 0.8,
    level: float = LEVEL,
) -> float:
    """Return the smallest true difference in pass@1 that McNemar's exact test is likely to find.

    A share `discordance` of the problems (of the difference, if that is more) is solved by one
    method alone. Of several comparisons, a difference that is there alone has to pass Holm's first
    step. Infinite where no difference is found so often.

    Raises:
        ValueError: a share is out of range.
    """
    _check_design(problems, discordance, comparisons, power)

    def found(difference: float) -> float:
        share = max(discordance, difference)
        return _mcnemar_power(problems, share, difference, (1 - level) / comparisons)

    if found(1.0) < power:
        return math.inf
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high


def detectable_by_error(
    error: float, *, comparisons: int = 1, power: float = 0.8, level: float = LEVEL
) -> float:
    """Return the smallest true difference that is likely to be found, from its standard error.

    Normal approximation, for differences over several seeds or samples; of several comparisons, as
    `smallest_detectable_difference`.

    Raises:
        ValueError: a share is out of range.
    """
    _check_design(1, 1.0, comparisons, power)
    normal = NormalDist()
    return (normal.inv_cdf(1 - (1 - level) / comparisons / 2) + normal.inv_cdf(power)) * error


def _check_design(problems: int, discordance: float, comparisons: int, power: float) -> None:
    if problems < 1 or comparisons < 1 or not 0 < discordance <= 1 or not 0 < power < 1:
        raise ValueError(
            f"problems {problems}, discordance {discordance}, comparisons {comparisons}, power "
            f"{power}: give at least one problem and one comparison, a discordance in (0, 1] and a "
            "power in (0, 1)"
        )


def _mcnemar_power(problems: int, discordance: float, difference: float, alpha: float) -> float:
    """Return how often the exact test is below `alpha`, of that many problems."""
    from scipy.stats import binom

    discordant = np.arange(problems + 1)
    # The largest number of losses that is still significant: -1 where none is.
    critical = binom.ppf(alpha / 2, discordant, 0.5)
    critical -= binom.cdf(critical, discordant, 0.5) > alpha / 2
    wins = (1 + difference / discordance) / 2
    rejected = binom.cdf(critical, discordant, 1 - wins) + binom.cdf(critical, discordant, wins)
    return float(binom.pmf(discordant, problems, discordance) @ np.minimum(rejected, 1.0))


def _word(value: float, p: float, level: float) -> Verdict:
    if p > 1 - level or value == 0:
        return "not distinguishable"
    return "better" if value > 0 else "worse"


def _percentiles(means: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _matrix(values_SP: ArrayLike) -> Floats:
    values = np.atleast_2d(np.asarray(values_SP, dtype=np.float64))
    if values.ndim != 2 or not values.size:
        raise ValueError(f"results need the shape [seeds, problems], got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("results hold values that are not finite: every problem needs a result")
    return values
