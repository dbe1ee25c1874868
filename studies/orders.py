"""What pruning by seeds would have saved had a study's trials come in other orders.

Which trials a pruner stops depends on those before them, so one study is one draw of it. Optuna's
own pruners judge the stored values of an unpruned study again, in random orders.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from studies.samplers import PRUNERS
from studies.summary import by_seed

if TYPE_CHECKING:
    from studies.config import StudyConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """One pruner over all orders: the share of seeds that it saved in each, and the best's fate.

    Attributes:
        pruner: its name.
        saved: shares in [0, 1], one an order.
        kept: in how many orders the best trial was not stopped.
    """

    pruner: str
    saved: tuple[float, ...]
    kept: int

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.pruner} by seeds over {len(self.saved)} orders of the unpruned trials: "
            f"{statistics.fmean(self.saved):.1%} of the seeds less ({min(self.saved):.1%} to "
            f"{max(self.saved):.1%}), the best kept in {self.kept}"
        )


def replays(config: StudyConfig, unpruned: optuna.Study, orders: int) -> list[Replay]:
    """Return a replay for each pruner; the orders are the same for all."""
    complete = unpruned.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [by_seed(trial, config.objective) for trial in complete]
    return [_replay(name, values, config, orders) for name in PRUNERS if name != "none"]


def _replay(
    name: str, values: Sequence[Sequence[float]], config: StudyConfig, orders: int
) -> Replay:
    means = [statistics.fmean(own) for own in values]
    best = means.index(max(means) if config.aim.direction == "maximize" else min(means))
    saved, kept = [], 0
    for number in range(orders):
        order = random.Random(number).sample(range(len(values)), len(values))
        study = optuna.create_study(direction=config.aim.direction, pruner=PRUNERS[name]())
        measured = {index: _measured(study, values[index]) for index in order}
        saved.append(1 - sum(measured.values()) / sum(map(len, values)))
        kept += measured[best] == len(values[best])
    return Replay(pruner=name, saved=tuple(saved), kept=kept)


def _measured(study: optuna.Study, values: Sequence[float]) -> int:
    """Return after how many of its seeds the next trial ends."""
    trial = study.ask()
    for count in range(1, len(values)):
        trial.report(statistics.fmean(values[:count]), count)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return count
    study.tell(trial, statistics.fmean(values))
    return len(values)
