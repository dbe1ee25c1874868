"""The choice of a trial: the best one, or one of the Pareto front of several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from benchmarks.common.fields import ConfigError
from studies.slots import trials_by_slot
from studies.trials import REASON

if TYPE_CHECKING:
    import optuna

    from studies.config import StudyConfig


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials in the order of their slots."""
    slots = sorted(trials_by_slot(study.get_trials(deepcopy=False)).items())
    return [t for _, own in slots for t in own if t.state == TrialState.COMPLETE]


def front(study: optuna.Study) -> list[FrozenTrial]:
    """Return the Pareto front, ordered by the first objective.

    With one objective these are the trials with the best value, in the order of their slots.
    """
    best = {trial.number for trial in study.best_trials}
    signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions]

    def rank(trial: FrozenTrial) -> list[float]:
        return [sign * value for sign, value in zip(signs, trial.values, strict=True)]

    return sorted((t for t in complete_trials(study) if t.number in best), key=rank)


def chosen_trial(config: StudyConfig, study: optuna.Study) -> FrozenTrial:
    """Return the chosen trial, or the trial of the front that the config names.

    Raises:
        ConfigError: no trial is complete, or the named trial is not on the front.
    """
    _require_complete(study)
    own = front(study)
    if config.choose is None:
        return own[0]
    named = [trial for trial in own if trial.number == config.choose]
    if not named:
        known = ", ".join(str(trial.number) for trial in own)
        raise ConfigError(
            f"choose is {config.choose}: this trial is not on the front, or does not exist: give "
            f"one of the front: {known}"
        )
    return named[0]


def _require_complete(study: optuna.Study) -> None:
    if complete_trials(study):
        return
    trials = study.get_trials(deepcopy=False)
    why = next((t.user_attrs[REASON] for t in trials if t.user_attrs.get(REASON)), "none began")
    raise ConfigError(
        f"study {study.study_name}: none of {len(trials)} trials has a value; the first: "
        f"{why}: change the study's run or its search space"
    )
