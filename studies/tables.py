"""What a study says in words: its trials, how settings differ, what has to be known to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from benchmarks.common.words import say
from benchmarks.metrics.crossed import MIN_SEEDS
from benchmarks.metrics.intervals import holm
from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.terminal import slim_table
from studies.front import complete_trials, front
from studies.slots import is_given_up, trials_by_slot
from studies.storage import shown_place
from studies.summary import by_seed, compare, of_trial, settings
from studies.trials import REASON

if TYPE_CHECKING:
    from studies.config import StudyConfig

_SHOWN = 20
_INTERVALS = "In brackets: 95 % interval over {n} seeds (Student)."


def show_trials(
    config: StudyConfig, study: optuna.Study, best: FrozenTrial, console: Console
) -> None:
    """Print the trials, the best ones first, and what has to be known to read them."""
    table, *others = tables(config, study, best)
    for one in [replace(table, rows=table.rows[:_SHOWN]), *others]:
        _print(one, console)
    for line in footnotes(config, study, best):
        say(console, line)


def tables(config: StudyConfig, study: optuna.Study, best: FrozenTrial) -> list[DisplayTable]:
    """Return the tables that the study has something for: trials, front, differences."""
    trials = study.get_trials(deepcopy=False)
    found = [trials_table(config, trials, best)]
    if config.also:
        found.append(front_table(config, study, best))
    cells = settings(config, complete_trials(study))
    return found + ([differences_table(config, cells)] if len(cells) > 1 else [])


def trials_table(
    config: StudyConfig, trials: Sequence[FrozenTrial], best: FrozenTrial
) -> DisplayTable:
    """Return a line a finished trial: its objectives, its measures, its setting.

    A grid is shown in its own order, anything else with the best first.
    """
    finished = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    ordered = finished if config.grid else _best_first(config, finished)
    return _table(config, "trials", f"{config.full_name}: trials", ordered, best)


def front_table(config: StudyConfig, study: optuna.Study, best: FrozenTrial) -> DisplayTable:
    """Return a line a trial that none beats in all objectives."""
    title = f"{config.full_name}: the front of {', '.join(config.aims)}"
    return _table(config, "front", title, front(study), best)


def differences_table(config: StudyConfig, cells: Sequence[FrozenTrial]) -> DisplayTable:
    """Return every cell of a grid minus its first, paired by seed, in each measure."""
    first, *others = cells
    columns = [_differences(config, name, first, others) for name in config.measured]
    test = (
        "verdicts by Student's t, of a residual pooled over all settings (two-way analysis of "
        f"variance), with Holm's correction over the {len(others)} settings of a column"
    )
    if len(config.run.seeds) < MIN_SEEDS:
        test = f"no verdicts: comparing settings takes at least {MIN_SEEDS} seeds"
    rows = [
        (words(cell.params), *(column[place] for column in columns))
        for place, cell in enumerate(others)
    ]
    return DisplayTable(
        name="differences",
        title=f"{config.full_name}: difference from {words(first.params)}",
        columns=("setting", *config.measured),
        rows=tuple(rows),
        note=f"Mean over seeds of the paired difference, with its 95 % interval; {test}.",
    )


def _differences(
    config: StudyConfig, name: str, first: FrozenTrial, others: Sequence[FrozenTrial]
) -> list[str]:
    found = compare([by_seed(cell, name) for cell in (first, *others)])
    corrected = holm([one.p for one in found if one.p is not None])
    if not corrected:
        return [str(one.difference) for one in found]
    direction = config.measured[name].direction
    return [
        f"{one.difference} {one.verdict(direction, p)}"
        for one, p in zip(found, corrected, strict=True)
    ]


def footnotes(config: StudyConfig, study: optuna.Study, best: FrozenTrial) -> list[str]:
    """Return what has to be known to read the table, one line each."""
    trials = study.get_trials(deepcopy=False)
    counts = {
        state: sum(trial.state == state for trial in trials)
        for state in (TrialState.COMPLETE, TrialState.PRUNED)
    }
    given_up = sum(map(is_given_up, trials_by_slot(trials).values()))
    return [
        *(f"{name}: {aim.about}; {aim.direction}." for name, aim in config.aims.items()),
        *(f"{name}: {config.measured[name].about}; measured, not chosen by."
          for name in config.measures if name not in config.aims),
        f"Seeds {', '.join(map(str, config.run.seeds))}.",
        f"{counts[TrialState.COMPLETE]} trials complete, {counts[TrialState.PRUNED]} pruned"
        + (f", {given_up} given up after dying again and again" if given_up else "")
        + f"; {config.trials} for every method that this study tunes. "
        + f"Sampler {config.sampler}, seed {config.seed}; {_pruning(config)}.",
        _choice(config, best),
        f"Study {config.full_name} in {shown_place(config)}",
        *_reasons(trials),
    ]  # fmt: skip


def _pruning(config: StudyConfig) -> str:
    by = f", by {config.prune_by}" if config.pruner != "none" else ""
    return f"pruner {config.pruner}{by}"


def words(params: Mapping[str, Any]) -> str:
    """Return a setting in words."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in sorted(params.items())
    )


def _choice(config: StudyConfig, best: FrozenTrial) -> str:
    how = "is chosen"
    if config.choose is not None:
        how = "of the front is chosen, as --choose says"
    elif config.also:
        how = (f"is chosen: of the front, which nothing beats in all objectives, it has the best "
               f"{config.objective}")  # fmt: skip
    return (
        f"Trial {best.number} (*) {how}. Its value above chose it and is not a result: the "
        "result is what it reaches on the test problems with other seeds."
    )


def _table(
    config: StudyConfig, name: str, title: str, trials: Sequence[FrozenTrial], best: FrozenTrial
) -> DisplayTable:
    seeds = len(config.run.seeds)
    return DisplayTable(
        name=name,
        title=title,
        columns=("trial", *config.measured, "setting"),
        rows=tuple(_row(config, trial, best) for trial in trials),
        note=_INTERVALS.format(n=seeds) if seeds > 1 else "",
    )


def _row(config: StudyConfig, trial: FrozenTrial, best: FrozenTrial) -> tuple[str, ...]:
    mark = "*" if trial.number == best.number else ""
    if trial.state == TrialState.COMPLETE:
        values = [str(of_trial(trial, name)) for name in config.measured]
    else:
        values = ["pruned", *(NONE for _ in list(config.measured)[1:])]
    return (f"{mark}{trial.number}", *values, words(trial.params))


def _print(one: DisplayTable, console: Console) -> None:
    """Print a table; settings, which are long, stand below it in lines of their own."""
    has_settings = one.columns[-1] == "setting"
    end = -1 if has_settings else None
    table = slim_table()
    for name in one.columns[:end]:
        table.add_column(name.replace("-", "-\n"), justify="right", overflow="fold")
    for row in one.rows:
        table.add_row(*row[:end])
    say(console, one.title, style="bold")
    console.print(table)
    if has_settings:
        for row in one.rows:
            say(console, f"{row[0]}: {row[-1]}")
    say(console, f"{one.note}\n" if one.note else "")


def _best_first(config: StudyConfig, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    sign = -1.0 if config.aim.direction == "maximize" else 1.0

    def rank(trial: FrozenTrial) -> tuple[bool, float, int]:
        complete = trial.state == TrialState.COMPLETE
        return not complete, sign * trial.values[0] if complete else 0.0, trial.number

    return sorted(trials, key=rank)


def _reasons(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return one line for the first refused setting: a space that reaches too far shows there."""
    refused = [t for t in trials if str(t.user_attrs.get(REASON, "")).startswith("refused")]
    if not refused:
        return []
    return [f"{len(refused)} settings were refused; trial {refused[0].number}: "
            f"{refused[0].user_attrs[REASON]}"]  # fmt: skip
