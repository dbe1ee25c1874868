"""Means and differences of methods whose runs are crossed with problems, by analysis of variance.

A run (one seed, the complete pipeline) belongs to one method; every run of every method tries the
same problems. The outcome of method m in its run s on problem p is

    mean of m + problem p + (method x problem) mp + run s within m + residual,

with random problems and runs. Of a weighted sum of method means (a contrast), the variance is

    V = run part / S + problem part / P - residual / (S P),

where each part is a mean square that contains the residual (Searle, Casella and McCulloch, Variance
Components, 1992, ch. 4), and the degrees of freedom are those of Welch (1947) and Satterthwaite
(1946): each method has a run variance of its own. Where few problems are solved, or few are not, V
is too small too often. A difference x other than 0 is therefore also tried by the score test
(Wilson, 1927), whose variance is x (1 - x) / n: one method alone solves a share x of n results.
Shapes: S runs of a method, P problems; leading axes, where there are any, are independent tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
POWER = 0.8
MIN_SEEDS = 4
"""The fewest seeds from which methods (or settings of a study) are compared."""

MORE_PROBLEMS, _MOST_SEEDS = 8, 64
"""How many times the present problems, and how many seeds, a larger design may have."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A contrast of method means with its variance; arrays where tables had leading axes.

    Attributes:
        value: the estimate.
        variance: V, at least its run part and at least its problem part; 0 where all runs of all
            methods have the same outcomes.
        df: Welch-Satterthwaite degrees of freedom of V.
        run_df: Welch's degrees of freedom of the run part; 0 where no method has several runs.
        run: the part of the runs, residual included: what V would be with endless problems.
        problem: the part of the problems, residual included.
        residual: the residual's part.
        problems: P.
    """

    value: Floats
    variance: Floats
    df: Floats
    run_df: Floats
    run: Floats
    problem: Floats
    residual: Floats
    problems: Floats

    @property
    def error(self) -> Floats:
        """The standard error."""
        return np.sqrt(self.variance)

    @property
    def trials(self) -> Floats:
        """The trials of the score test: the effective number, and at least P."""
        found = effective_number(np.abs(self.value), self.variance, self.problems)
        return np.maximum(found, self.problems)

    def p(self) -> Floats:
        """Return the two-sided p of no difference, by Student's t."""
        return np.where(self.variance > 0, 2 * self._below(-np.abs(self.value)), 1.0)

    def equivalence_p(self, margin: float) -> Floats:
        """Return the p of two one-sided tests (TOST; Schuirmann, 1987) against +-margin.

        It is the larger one of Student's t and of the score test.
        """
        from scipy.special import ndtr

        distance = np.abs(self.value) - margin
        score = ndtr(distance / np.sqrt(margin * (1 - margin) / self.trials))
        return np.asarray(np.maximum(self._below(distance), score))

    def _below(self, distance: Floats) -> Floats:
        """Return the probability that Student's t with this error is below a distance."""
        from scipy.special import stdtr

        known = np.where(self.variance > 0, self.error, 1.0)
        return np.where(self.variance > 0, stdtr(self.df, distance / known), distance >= 0)

    def interval(self, level: float = LEVEL) -> tuple[Floats, Floats]:
        """Return the differences that are not refused, by Student's t or by the score test.

        Where p refuses a difference of 0, the interval is on one side of 0.
        """
        from scipy.special import ndtri, stdtrit

        half, z = stdtrit(self.df, 0.5 + level / 2) * self.error, ndtri(0.5 + level / 2)
        size = np.abs(self.value)
        near, far = score_ends(size, self.trials, z)
        _, beyond = score_ends(-size, self.trials, z)  # on the other side of 0
        near = np.where(half < size, near, -np.maximum(beyond, 0))
        near, far = np.minimum(size - half, near), np.maximum(size + half, far)
        above = self.value >= 0
        return np.where(above, near, -far)[()], np.where(above, far, -near)[()]

    def detectable(
        self, *, comparisons: int = 1, power: float = POWER, level: float = LEVEL
    ) -> Floats:
        """Return the minimum detectable difference: found with this power, by the noncentral t.

        A difference that is the only one of several comparisons has to pass Holm's first step. It
        brings the variance of the score test with it.
        """
        from scipy.special import nctdtrinc, ndtri, stdtrit

        reached = 1 - (1 - level) / comparisons / 2
        found = nctdtrinc(self.df, 1 - power, stdtrit(self.df, reached)) * self.error
        _, least = score_ends(np.zeros(()), self.problems, ndtri(reached) + ndtri(power))
        return np.asarray(np.maximum(found, least))

    def components(self) -> tuple[Floats, Floats, Floats]:
        """Return what V is made of: the parts of run, problem and residual, none below 0."""
        residual = np.minimum(self.residual, np.minimum(self.run, self.problem))
        return self.run - residual, self.problem - residual, residual


def contrast(tables: Sequence[ArrayLike], weights: Sequence[float]) -> Estimate:
    """Return the weighted sum of the means of tables [..., S, P] over the same problems.

    A table of one run has no variance between runs: that is right for a deterministic method (no
    data, evaluated greedily), of which every seed is the same run, and for nothing else. Where all
    problems and all runs have the same difference, V is that of McNemar's test, |value| / P.

    Raises:
        ValueError: the tables do not have the same problems, or fewer than two.
    """
    arrays = [checked(table) for table in tables]
    problems = arrays[0].shape[-1]
    if problems < 2 or {array.shape[-1] for array in arrays} != {problems}:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"tables need the shape [runs, problems] and the same problems: {shapes}")
    by_problem = sum(w * a.mean(axis=-2) for w, a in zip(weights, arrays, strict=True))
    problem = np.asarray(by_problem.var(axis=-1, ddof=1) / problems)
    parts = [_run_part(w, a) for w, a in zip(weights, arrays, strict=True)]
    run, run_squares, residual, residual_squares = (
        np.asarray(sum(part[n] for part in parts)) for n in range(4)
    )
    problem_squares = problem**2 / (problems - 1)
    variance = np.maximum(run + problem - residual, np.maximum(run, problem))
    squares = np.where(
        variance == run + problem - residual,
        run_squares + problem_squares + residual_squares,
        np.where(variance == run, run_squares, problem_squares),
    )
    value = np.asarray(by_problem.mean(axis=-1))
    none = variance < 1e-15  # rounding of a mean leaves less
    variance = np.where(none, np.where(np.abs(value) < 1e-7, 0, np.abs(value)) / problems, variance)
    df = np.where(none, problems - 1, _ratio(variance**2, squares))
    return Estimate(
        value=value, variance=variance, df=df, run_df=_ratio(run**2, run_squares), run=run,
        problem=problem, residual=residual, problems=np.full_like(value, problems),
    )  # fmt: skip


def effective_number(share: Floats, variance: Floats, problems: Floats | float) -> Floats:
    """Return how many independent 0/1 results have this variance of their share (Kish, 1965).

    A pseudo-problem of variance 1 / P in both parts takes it to P, without a jump, where all
    results are 0, or all 1: to repeat a problem with another seed is not an independent trial.
    """
    pseudo = 1 / problems
    return (share * (1 - share) + pseudo) / (variance + np.square(pseudo))


def score_ends(share: Floats, trials: Floats | float, z: Floats | float) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's score interval: x with (x - share)^2 = z^2 x (1 - x) / trials."""
    q = np.square(z) / trials
    root = np.sqrt(np.maximum(q**2 + 4 * q * share * (1 - share), 0))
    return (2 * share + q - root) / (2 + 2 * q), (2 * share + q + root) / (2 + 2 * q)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def difference(a_SP: ArrayLike, b_SP: ArrayLike) -> Estimate:
    """Return the mean of one method minus that of another."""
    return contrast([a_SP, b_SP], [1.0, -1.0])


def checked(values: ArrayLike) -> Floats:
    """Return results as numbers.

    Raises:
        ValueError: they do not have the shape [runs, problems], or some are not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim < 2 or not table.size:
        raise ValueError(f"results need the shape [runs, problems], got {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("results hold values that are not finite: every problem needs a result")
    return table


def _run_part(weight: float, table: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the run part of one method and its residual, each with its square over its df."""
    runs, problems = table.shape[-2:]
    zero = np.zeros(table.shape[:-2])
    if runs == 1:
        return zero, zero, zero, zero
    means_S1 = table.mean(axis=-1, keepdims=True)
    means_1P = table.mean(axis=-2, keepdims=True)
    left = table - means_S1 - means_1P + means_1P.mean(axis=-1, keepdims=True)
    df = (runs - 1) * (problems - 1)
    run = weight**2 * means_S1[..., 0].var(axis=-1, ddof=1) / runs
    residual = weight**2 * (left**2).sum(axis=(-2, -1)) / df / (runs * problems)
    return run, run**2 / (runs - 1), residual, residual**2 / df


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """How many seeds and problems an experiment has."""

    seeds: int
    problems: int

    def __str__(self) -> str:
        return f"{self.seeds} seeds × {self.problems:,} problems"


def predicted(estimate: Estimate, now: Design, other: Design) -> Estimate:
    """Return the estimate as another design would have it, of the same components of variance.

    The degrees of freedom of runs and of problems grow with their numbers.
    """
    if other == now:
        return estimate
    run, problem, residual = estimate.components()
    seeds, problems = other.seeds / now.seeds, other.problems / now.problems
    residual = residual / (seeds * problems)
    run, problem = run / seeds + residual, problem / problems + residual
    total = run + problem - residual
    run_df = estimate.run_df * (other.seeds - 1) / max(now.seeds - 1, 1)
    squares = _ratio(run**2, run_df) + problem**2 / (other.problems - 1)
    return Estimate(
        value=estimate.value, variance=total,
        df=np.where(total > 0, _ratio(total**2, squares), other.problems - 1),
        run_df=run_df, run=run, problem=problem, residual=residual,
        problems=np.full_like(total, other.problems),
    )  # fmt: skip


def needed(estimate: Estimate, now: Design, margin: float, comparisons: int) -> tuple[Design, ...]:
    """Return the fewest seeds that decide, with as many problems as now and with eight times those.

    Decide: in 80 % of such experiments a true difference of the margin is found, and of methods
    that are alike the equivalence, at Holm's first step.
    """
    found: list[Design] = []
    for problems, fewest in ((now.problems, now.seeds), (MORE_PROBLEMS * now.problems, MIN_SEEDS)):
        designs = (Design(seeds=n, problems=problems) for n in range(fewest, _MOST_SEEDS + 1))
        decide = (d for d in designs if _decides(predicted(estimate, now, d), margin, comparisons))
        found += islice(decide, 1)
    fewer = len(found) < 2 or found[1].seeds < found[0].seeds
    return tuple(found if fewer else found[:1])


def _decides(estimate: Estimate, margin: float, comparisons: int) -> bool:
    from scipy.special import stdtrit

    often = stdtrit(estimate.df, 1 - (1 - POWER) / 2) * estimate.error  # alike methods, 80 %
    equal = replace(estimate, value=often).equivalence_p(margin) <= (1 - LEVEL) / comparisons
    return bool(equal) and float(estimate.detectable(comparisons=comparisons)) <= margin
