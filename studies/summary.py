"""Means over a study's seeds with their intervals, and differences between two of its settings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from benchmarks.metrics.crossed import LEVEL, MIN_SEEDS
from studies.trials import BY_SEED

if TYPE_CHECKING:
    from studies.config import StudyConfig
    from studies.objective import Direction

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A mean over seeds, and its Student interval where there are several."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        value = _number(self.value, digits=4)
        if self.low is None or self.high is None:
            return value
        return f"{value} [{_number(self.low, digits=3)}, {_number(self.high, digits=3)}]"


def _number(value: float, digits: int) -> str:
    """Return a share with three digits, a count as an integer."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def by_seed(trial: FrozenTrial, name: str) -> list[float]:
    """Return a trial's values of an objective or measure, one for each seed that it measured."""
    return list(trial.user_attrs.get(BY_SEED, {}).get(name, ()))


def summarize(values: Sequence[float]) -> Summary:
    """Return the mean of at least one value and its 95 % interval over seeds."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Summary(value=mean, low=None, high=None)
    half = _quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return Summary(value=mean, low=mean - half, high=mean + half)


def of_trial(trial: FrozenTrial, name: str) -> Summary:
    """Return the value of a complete trial."""
    return summarize(by_seed(trial, name))


def settings(config: StudyConfig, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials whose seeds can be paired: those of a grid over several seeds."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return complete if config.grid and len(config.run.seeds) > 1 else []


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingComparison:
    """One setting minus another, paired by seed.

    Attributes:
        difference: its mean and 95 % interval, which has no ends below four seeds.
        p: of no difference, uncorrected; None below four seeds.
    """

    difference: Summary
    p: float | None

    def verdict(self, direction: Direction, corrected: float) -> str:
        """Return better, worse, or undecided, by the corrected p."""
        if corrected > 1 - LEVEL:
            return "undecided"
        return "better" if (self.difference.value > 0) == (direction == "maximize") else "worse"


def compare(settings: Sequence[Sequence[float]]) -> list[SettingComparison]:
    """Return every setting but the first minus the first, over the same seeds.

    A two-way analysis of variance, settings by seeds without interaction (Fisher's randomized
    blocks, 1935): all settings share one residual, which a few seeds of two settings alone may make
    0 by chance. Below four seeds there is no test, and of settings without any residual p is 1.
    """
    from scipy.special import stdtr, stdtrit

    values_KS = np.asarray(settings, dtype=np.float64)
    count, seeds = values_KS.shape
    means_K1 = values_KS.mean(axis=1, keepdims=True)
    left = values_KS - means_K1 - values_KS.mean(axis=0, keepdims=True) + values_KS.mean()
    df = (count - 1) * (seeds - 1)
    error = math.sqrt(2 * float((left**2).sum()) / df / seeds) if df else 0.0
    found = []
    for value in (float(mean - means_K1[0, 0]) for mean in means_K1[1:, 0]):
        if seeds < MIN_SEEDS:
            found.append(
                SettingComparison(difference=Summary(value=value, low=None, high=None), p=None)
            )
            continue
        half = float(stdtrit(df, (1 + LEVEL) / 2)) * error
        p = float(2 * stdtr(df, -abs(value) / error)) if error > _ROUNDING else 1.0
        summary = Summary(value=value, low=value - half, high=value + half)
        found.append(SettingComparison(difference=summary, p=p))
    return found


def _quantile(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, n - 1))
