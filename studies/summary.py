"""Means over a study's seeds with their intervals, and differences between two of its settings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

from studies.trials import BY_SEED

if TYPE_CHECKING:
    from studies.config import StudyConfig
    from studies.objective import Direction

LEVEL = 0.95
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
    """Return a share with as many digits, a count whole."""
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
    """Return what a complete trial came to."""
    return summarize(by_seed(trial, name))


def settings(config: StudyConfig, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials whose seeds can be paired: those of a grid over several seeds."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return complete if config.grid and len(config.run.seeds) > 1 else []


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One setting minus another, paired by seed; `p` is of no difference, uncorrected."""

    difference: Summary
    p: float

    def verdict(self, direction: Direction, corrected: float) -> str:
        """Return better, worse, or not distinguishable, by the corrected p."""
        if corrected > 1 - LEVEL:
            return "not distinguishable"
        return "better" if (self.difference.value > 0) == (direction == "maximize") else "worse"


def compare(own: Sequence[float], other: Sequence[float]) -> Comparison:
    """Return the paired difference of two settings over the same seeds, by Student's t."""
    from scipy.stats import ttest_rel

    differences = [a - b for a, b in zip(own, other, strict=True)]
    if (
        max(differences) - min(differences) <= _ROUNDING
    ):  # the t statistic would be 0 / 0, or infinite
        p = 1.0 if abs(differences[0]) <= _ROUNDING else 0.0
    else:
        p = float(ttest_rel(own, other).pvalue)
    return Comparison(difference=summarize(differences), p=p)


def _quantile(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, n - 1))
