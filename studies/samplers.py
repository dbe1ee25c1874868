"""Samplers and pruners by name, seeded for each slot so that a resumed study is the same study."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from domino.records import derive_seed
from studies.config import StudyConfig
from studies.slots import slot_of

_SEEDS = 2**32
_STARTUP_FITS = 5
_PERCENTILE = 25.0


class SlotSampler(BaseSampler):
    """Makes a new sampler for each trial, seeded by its slot.

    What a trial is given then depends on the study's seed, its slot and the finished trials alone:
    not on how often the process was killed, nor on what it had sampled before.
    """

    def __init__(self, make: Callable[[int, int], BaseSampler], seed: int) -> None:
        """Use what `make` returns for (seed of the slot, slot)."""
        self._make = make
        self._seed = seed
        self._sampler: BaseSampler = RandomSampler(seed=0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the trial's sampler."""
        slot = slot_of(study, trial.number)
        self._sampler = self._make(derive_seed(self._seed, "sampler", slot) % _SEEDS, slot)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the trial's sampler does."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's sampler does."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the trial's sampler does."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


class PointSampler(BaseSampler):
    """Gives one point; a parameter that the point lacks is drawn at random."""

    def __init__(self, point: Mapping[str, Any], seed: int) -> None:
        """Give `point`."""
        self._point = point
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is sampled together."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is sampled together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the point's value."""
        if param_name in self._point:
            return self._point[param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all points of a grid; the last parameter varies fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def make_sampler(config: StudyConfig) -> BaseSampler:
    """Return the sampler that the study names."""
    points = grid_points(config.grid)
    makers: dict[str, Callable[[int, int], BaseSampler]] = {
        "tpe": lambda seed, slot: _tree_of_parzen_estimators(seed),
        "gp": lambda seed, slot: GPSampler(seed=seed),
        "random": lambda seed, slot: RandomSampler(seed=seed),
        "grid": lambda seed, slot: PointSampler(points[slot % len(points)], seed),
    }
    return SlotSampler(makers[config.sampler], config.seed)


def _tree_of_parzen_estimators(seed: int) -> BaseSampler:
    """Return a multivariate TPE; conditional parameters are modelled in groups."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


PRUNERS: Mapping[str, Callable[[], BasePruner]] = MappingProxyType(
    {
        "none": NopPruner,
        "median": lambda: MedianPruner(n_startup_trials=_STARTUP_FITS),
        "percentile": lambda: PercentilePruner(_PERCENTILE, n_startup_trials=_STARTUP_FITS),
        "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    }
)
"""Name to pruner; `StudyConfig.pruner` says what each stops."""
