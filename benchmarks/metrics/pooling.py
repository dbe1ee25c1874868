"""One effect out of several data sets, and the share of a gap that a method closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.metrics.crossed import LEVEL, Estimate, Floats, contrast, score_ends

_LEAST = 1e-12  # of an error, where effects agree to the last digit


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooled:
    """A random-effects mean over data sets.

    Tests and intervals take the wider one of two: the plain one, and that of Hartung and Knapp
    (2001), which allows for data sets that differ and is for further ones like these.

    Attributes:
        value: the mean by inverse variance, each variance with tau^2 added.
        tau: standard deviation of the true effect between data sets.
        plain: error, and Satterthwaite's degrees of freedom of those of the data sets.
        wide: Hartung and Knapp's error and degrees of freedom.
    """

    value: Floats
    tau: float
    plain: tuple[float, float]
    wide: tuple[float, float]

    def p(self) -> Floats:
        """Return the two-sided p of no effect."""
        return 2 * self._below(-abs(float(self.value)))

    def equivalence_p(self, margin: float) -> Floats:
        """Return the p of two one-sided tests against +-margin."""
        return self._below(abs(float(self.value)) - margin)

    def _below(self, distance: float) -> Floats:
        from scipy.special import stdtr

        return np.asarray(max(stdtr(df, distance / error) for error, df in (self.plain, self.wide)))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval."""
        half = max(_half(*self.plain, level), _half(*self.wide, level))
        return float(self.value) - half, float(self.value) + half

    def plain_interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval that does not allow for data sets that differ but by tau."""
        half = _half(*self.plain, level)
        return float(self.value) - half, float(self.value) + half


def _half(error: float, df: float, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2) * error)


def pool(estimates: Sequence[Estimate]) -> Pooled:
    """Return the effect of at least two data sets together.

    Inverse variance with Paule and Mandel's tau^2 (1982; the iterated method of statsmodels). A
    variance is at least that of Wilson's interval for 0 of P problems.
    """
    from scipy.special import ndtri
    from statsmodels.stats.meta_analysis import combine_effects

    z = ndtri(0.5 + LEVEL / 2)
    effects = np.array([float(one.value) for one in estimates])
    least = [score_ends(np.zeros(()), one.problems, z)[1] / z for one in estimates]
    errors = np.maximum([float(one.error) for one in estimates], least)
    variances = errors**2
    with np.errstate(divide="ignore", invalid="ignore"):  # its I^2, of effects that are all equal
        found = combine_effects(effects, variances, method_re="iterated")
    tau2 = max(0.0, float(found.tau2))
    weights = 1 / (variances + tau2)
    total = weights.sum()
    error = np.sqrt(1 / total)
    df = total**2 / (weights**2 / np.array([float(one.df) for one in estimates])).sum()
    spread = np.sqrt(max(0.0, float(found.scale_hksj_re)))
    return Pooled(
        value=np.asarray(weights @ effects / total), tau=float(np.sqrt(tau2)),
        plain=(float(error), float(df)),
        wide=(max(float(error * spread), _LEAST), len(effects) - 1),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedShare:
    """The share of the gap between two methods that a third one closes.

    Attributes:
        estimate: with the delta method's variance, for pooling.
        low: lower end of its interval, by Fieller's theorem (1954).
        high: upper end.
    """

    estimate: Estimate
    low: float
    high: float


def closed_share(
    method: ArrayLike, none: ArrayLike, ceiling: ArrayLike, *, level: float = LEVEL
) -> ClosedShare | None:
    """Return (method - none) / (ceiling - none).

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
    share = float(gain.value / gap.value)
    rest = contrast(tables, [1.0, share - 1.0, -share])  # 0 at this share
    estimate = replace(rest, value=np.asarray(share), variance=rest.variance / gap.value**2)
    return ClosedShare(estimate=estimate, low=float((b - root) / a), high=float((b + root) / a))
