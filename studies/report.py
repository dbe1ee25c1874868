"""What a study prints: its trials, what they were chosen by, and what is no result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from studies.slots import is_given_up, trials_by_slot
from studies.storage import shown, storage_address
from studies.trials import BY_SEED, REASON

if TYPE_CHECKING:
    from studies.config import StudyConfig

_SHOWN = 20


def show_trials(
    config: StudyConfig, study: optuna.Study, best: FrozenTrial, console: Console
) -> None:
    """Print the trials, the best ones first, and what has to be known to read them."""
    trials = study.get_trials(deepcopy=False)
    console.print(trials_table(config, trials, best))
    for line in footnotes(config, trials, best):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def trials_table(config: StudyConfig, trials: Sequence[FrozenTrial], best: FrozenTrial) -> Table:
    """Return a line a finished trial: its value, the value of each seed, its setting."""
    finished = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    table = Table(title=f"{config.full_name}: trials", title_justify="left")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column(config.objective, justify="right", no_wrap=True)
    if len(config.run.seeds) > 1:
        table.add_column("by seed")
    table.add_column("setting", overflow="fold")
    for trial in _best_first(config, finished)[:_SHOWN]:
        mark = "*" if trial.number == best.number else ""
        table.add_row(f"{mark}{trial.number}", _value(trial), *_seeds(config, trial),
                      _words(trial.params))  # fmt: skip
    return table


def footnotes(config: StudyConfig, trials: Sequence[FrozenTrial], best: FrozenTrial) -> list[str]:
    """Return what has to be known to read the table, one line each."""
    counts = {
        state: sum(trial.state == state for trial in trials)
        for state in (TrialState.COMPLETE, TrialState.PRUNED)
    }
    given_up = sum(map(is_given_up, trials_by_slot(trials).values()))
    seeds = ", ".join(map(str, config.run.seeds))
    return [
        f"{config.objective}: {config.aim.about}; {config.aim.direction}. Seeds {seeds}.",
        f"{counts[TrialState.COMPLETE]} trials complete, {counts[TrialState.PRUNED]} pruned"
        + (f", {given_up} given up after dying again and again" if given_up else "")
        + f"; {config.trials} for every method that this study tunes. "
        + f"Sampler {config.sampler}, seed {config.seed}; pruner {config.pruner}.",
        f"Trial {best.number} (*) is chosen. Its value above chose it and is no result: the "
        "result is what it reaches on the test problems with other seeds.",
        f"Study {config.full_name} in {shown(storage_address(config))}",
        *_reasons(trials),
    ]


def _best_first(config: StudyConfig, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    sign = -1.0 if config.aim.direction == "maximize" else 1.0

    def rank(trial: FrozenTrial) -> tuple[bool, float, int]:
        complete = trial.state == TrialState.COMPLETE
        return not complete, sign * trial.values[0] if complete else 0.0, trial.number

    return sorted(trials, key=rank)


def _value(trial: FrozenTrial) -> str:
    return f"{trial.values[0]:.4f}" if trial.state == TrialState.COMPLETE else "pruned"


def _seeds(config: StudyConfig, trial: FrozenTrial) -> list[str]:
    values: Sequence[float] = trial.user_attrs.get(BY_SEED, ())
    return [" ".join(f"{value:.4f}" for value in values)] if len(config.run.seeds) > 1 else []


def _words(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in sorted(params.items())
    )


def _reasons(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return one line for the first refused setting: a space that reaches too far shows there."""
    refused = [t for t in trials if str(t.user_attrs.get(REASON, "")).startswith("refused")]
    if not refused:
        return []
    return [f"{len(refused)} settings were refused; trial {refused[0].number}: "
            f"{refused[0].user_attrs[REASON]}"]  # fmt: skip
