"""One effect out of several data sets, and the share of a gap that a method closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.metrics.crossed import LEVEL, Estimate, contrast


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooled:
    """A random-effects mean over data sets.

    Attributes:
        estimate: the mean by inverse variance, each variance with tau^2 added; its degrees of
            freedom are Satterthwaite's, of those of the data sets.
        tau: standard deviation of the true effect between data sets.
        wide: Hartung and Knapp's interval, for further data sets like these: at least as wide as
            the plain one.
    """

    estimate: Estimate
    tau: float
    wide: tuple[float, float]


def pool(estimates: Sequence[Estimate]) -> Pooled:
    """Return the effect of at least two data sets together.

    Inverse variance with Paule and Mandel's tau^2 (1982; the iterated method of statsmodels), and
    the interval of Hartung and Knapp (2001), or the plain one where that is wider.
    """
    from scipy.special import stdtrit
    from statsmodels.stats.meta_analysis import combine_effects

    effects = np.array([float(one.value) for one in estimates])
    variances = np.array([float(one.variance) for one in estimates])
    with np.errstate(divide="ignore", invalid="ignore"):  # its I^2, of effects that are all equal
        found = combine_effects(effects, variances, method_re="iterated")
    tau2 = max(0.0, float(found.tau2))
    weights = 1 / (variances + tau2)
    total = weights.sum()
    mean, variance = float(weights @ effects / total), np.asarray(1 / total)
    df = total**2 / (weights**2 / np.array([float(one.df) for one in estimates])).sum()
    estimate = _estimate(mean, variance, np.asarray(df))
    error = np.sqrt(float(found.scale_hksj_re) * variance)
    half = float(stdtrit(len(effects) - 1, 0.5 + LEVEL / 2) * error)
    low, high = map(float, estimate.interval())
    return Pooled(
        estimate=estimate, tau=float(np.sqrt(tau2)),
        wide=(min(low, mean - half), max(high, mean + half)),
    )  # fmt: skip


def _estimate(mean: float, variance: np.ndarray, df: np.ndarray) -> Estimate:
    none = np.asarray(np.nan)  # a mean of data sets has no parts of its own
    return Estimate(
        value=np.asarray(mean), variance=variance, df=df, run_df=none, run=none, problem=none,
        residual=none,
    )  # fmt: skip


def closed_share(
    method: ArrayLike, none: ArrayLike, ceiling: ArrayLike, *, level: float = LEVEL
) -> tuple[float, float, float] | None:
    """Return (method - none) / (ceiling - none) with its interval, by Fieller's theorem (1954).

    Tables are [runs, problems]. None where the ceiling is not significantly above `none`: the
    interval would have no ends.
    """
    from scipy.special import stdtrit

    tables = [method, none, ceiling]
    gain = contrast(tables, [1.0, -1.0, 0.0])
    gap = contrast(tables, [0.0, -1.0, 1.0])
    both = contrast(tables, [1.0, -2.0, 1.0])
    covariance = float(both.variance - gain.variance - gap.variance) / 2
    quantile = float(stdtrit(min(gain.df, gap.df), 0.5 + level / 2)) ** 2
    a = float(gap.value) ** 2 - quantile * float(gap.variance)
    if a <= 0 or float(gap.value) <= 0:
        return None
    b = float(gain.value) * float(gap.value) - quantile * covariance
    c = float(gain.value) ** 2 - quantile * float(gain.variance)
    root = np.sqrt(max(0.0, b**2 - a * c))
    return float(gain.value / gap.value), float((b - root) / a), float((b + root) / a)
