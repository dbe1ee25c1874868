"""Slots: what makes a study of N trials end with exactly N, whatever is killed.

A study of N trials has slots 0 to N - 1, each to be filled by one finished trial. Optuna's own
numbers cannot serve: a killed trial keeps its number and its retry gets another. A trial's slot
follows from what never changes, so all processes agree on it without talking to each other: a
retry bears its slot from its creation on, every other trial has the number of such trials before
it. Whoever finds that its slot has a living trial already, or is not asked for, gives way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from benchmarks.store.provenance import process_tags, started_by_dead_process

SLOT = "slot"
PROCESS = "process"
SETTING = "setting"
RETRIES = 10
"""A slot whose trials died more often than this is given up."""
_UNSIGNED = timedelta(minutes=2)
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class SlotTaken(Exception):
    """A trial that another process made needless; it costs nothing and counts for nothing."""


def trials_by_slot(trials: Sequence[FrozenTrial]) -> dict[int, list[FrozenTrial]]:
    """Return the trials of each slot, in the order of their numbers."""
    slots: dict[int, list[FrozenTrial]] = {}
    originals = 0
    for trial in sorted(trials, key=lambda trial: trial.number):
        slot = trial.user_attrs.get(SLOT)
        if slot is None:
            slot, originals = originals, originals + 1
        slots.setdefault(slot, []).append(trial)
    return slots


def slot_of(study: optuna.Study, number: int) -> int:
    """Return the slot of the trial with this number."""
    slots = trials_by_slot(study.get_trials(deepcopy=False))
    return next(slot for slot, own in slots.items() if any(t.number == number for t in own))


def is_settled(own: Sequence[FrozenTrial]) -> bool:
    """Whether a slot needs no further trial: one finished, or it is given up."""
    return any(trial.state in _FINISHED for trial in own) or is_given_up(own)


def is_given_up(own: Sequence[FrozenTrial]) -> bool:
    """Whether all trials of a slot failed, more of them than are retried."""
    return _all_failed(own) and _deaths(own) > RETRIES


def is_lost(own: Sequence[FrozenTrial]) -> bool:
    """Whether a slot has trials, all of them failed, and a retry is due."""
    return bool(own) and _all_failed(own) and not is_given_up(own)


def claim_slot(trial: optuna.Trial, trials: int) -> None:
    """Sign the trial as this process's, if its slot is among the first `trials` and free.

    Raises:
        SlotTaken: it is not.
    """
    slots = trials_by_slot(trial.study.get_trials(deepcopy=False))
    slot, own = next(
        (slot, own) for slot, own in slots.items() if any(t.number == trial.number for t in own)
    )
    first = next(t for t in own if t.state != TrialState.FAIL)
    if slot >= trials or first.number != trial.number or is_settled(own):
        raise SlotTaken
    trial.set_user_attr(PROCESS, process_tags())


def was_reassigned(trial: optuna.Trial) -> bool:
    """Whether another process has declared a trial dead that is still running here."""
    trials = trial.study.get_trials(deepcopy=False)
    return all(t.number != trial.number or t.state != TrialState.RUNNING for t in trials)


def retry(study: optuna.Study, slot: int, own: Sequence[FrozenTrial]) -> None:
    """Enqueue another trial for a lost slot, with the last one's setting as far as it is known.

    A trial that died before its setting was complete is sampled again with its slot's seed.
    """
    settings: list[Mapping[str, Any]] = [trial.user_attrs.get(SETTING, {}) for trial in own]
    known: Mapping[str, Any] = next((setting for setting in reversed(settings) if setting), {})
    study.enqueue_trial(dict(known), user_attrs={SLOT: slot})


def fail_dead_trials(study: optuna.Study) -> None:
    """Fail the running trials whose process is known to be dead, on this machine at once.

    Those of other machines are failed by the storage's heartbeat. A trial that has not been signed
    for minutes died in the instant between its creation and its signature.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial):
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except (UpdateFinishedTrialError, ValueError):
                continue  # another process was faster


def _is_dead(trial: FrozenTrial) -> bool:
    tags = trial.user_attrs.get(PROCESS)
    if tags is not None:
        return started_by_dead_process(tags)
    began = trial.datetime_start
    return began is not None and datetime.now(UTC) - began.astimezone() > _UNSIGNED


def _all_failed(own: Sequence[FrozenTrial]) -> bool:
    return bool(own) and all(trial.state == TrialState.FAIL for trial in own)


def _deaths(own: Sequence[FrozenTrial]) -> int:
    """Count the trials that had begun; one that gave way never did."""
    return sum(PROCESS in trial.user_attrs for trial in own)
