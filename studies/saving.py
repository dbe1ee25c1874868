"""`python -m studies.saving STUDY --unpruned URL`: what pruning saved, and what became of the best.

Both studies have the same name, conditions and number of trials, each in a storage of its own.
Cost is optimiser steps of fits, which every store counts alike, and processor time, which is less
where a study found stages of the other in its store: give the second an --output of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import exit_code
from benchmarks.common.fields import ConfigError
from benchmarks.common.process import prepare_process
from studies.report import load, make_parser
from studies.run import configured

if TYPE_CHECKING:
    import optuna

    from studies.config import StudyConfig

PROGRAM = "python -m studies.saving"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCost:
    """A study's finished trials and what they cost; its best trial's slot, value and interval."""

    complete: int
    pruned: int
    fit_steps: float
    cpu_s: float
    best: int
    value: float
    low: float
    high: float


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("studies.saving", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    parser = make_parser()
    parser.prog, parser.description = PROGRAM, __doc__
    parser.add_argument(
        "--unpruned", metavar="URL", required=True, help="storage of the study without pruning"
    )
    parser.add_argument(
        "--orders",
        metavar="N",
        type=int,
        default=0,
        help="also what each pruner by seeds would have saved over N orders of the unpruned trials",
    )
    given = parser.parse_args(arguments)
    config = configured(given)
    if given.orders and len(config.run.seeds) < 2:
        raise ConfigError(
            f"--orders {given.orders}: pruning by seeds needs several, the study has "
            f"{len(config.run.seeds)}: leave it out, or give the --config that the study was run "
            "with"
        )
    unpruned = load(replace(config, storage=given.unpruned))
    lines = sentences(config, spent(config, unpruned), spent(config, load(config)))
    if given.orders:
        from studies.orders import replays

        lines += map(str, replays(config, unpruned, given.orders))
    print("\n".join(lines))
    return 0


def spent(config: StudyConfig, study: optuna.Study) -> StudyCost:
    """Return what a study's finished trials cost; those that a kill ended cost nothing here."""
    from studies.front import chosen_trial
    from studies.slots import slot_of
    from studies.summary import of_trial
    from studies.trials import COST, CPU_S, FIT_STEPS

    finished = [t for t in study.get_trials(deepcopy=False) if COST in t.user_attrs]
    best = chosen_trial(config, study)
    reached = of_trial(best, config.objective)
    return StudyCost(
        complete=sum(trial.state.name == "COMPLETE" for trial in finished),
        pruned=sum(trial.state.name == "PRUNED" for trial in finished),
        fit_steps=sum(trial.user_attrs[COST][FIT_STEPS] for trial in finished),
        cpu_s=sum(trial.user_attrs[COST][CPU_S] for trial in finished),
        best=slot_of(study, best.number),
        value=reached.value,
        low=reached.value if reached.low is None else reached.low,
        high=reached.value if reached.high is None else reached.high,
    )


def sentences(config: StudyConfig, without: StudyCost, pruned: StudyCost) -> list[str]:
    """Return what pruning saved and what became of the best, one line each.

    Raises:
        ConfigError: the studies do not have the same number of finished trials.
    """
    if _trials(without) != _trials(pruned):
        raise ConfigError(
            f"--unpruned has {_trials(without)} finished trials and the pruned study "
            f"{_trials(pruned)}: run both to the same number"
        )
    saved = [
        f"{name}: {before:,.0f} without pruning, {after:,.0f} with it: "
        f"{1 - after / before:.1%} less"
        for name, before, after in (
            ("fit steps", without.fit_steps, pruned.fit_steps),
            ("processor seconds", without.cpu_s, pruned.cpu_s),
        )
        if before
    ]
    kept = without.low <= pruned.value <= without.high
    return [
        f"{pruned.pruned} of {_trials(pruned)} trials pruned",
        *saved,
        f"best {config.objective}: {without.value:.4g} [{without.low:.4g}, {without.high:.4g}] "
        f"without pruning (trial slot {without.best}), {pruned.value:.4g} with it (slot "
        f"{pruned.best}): {'within' if kept else 'NOT within'} the interval over seeds",
    ]


def _trials(one: StudyCost) -> int:
    return one.complete + one.pruned


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
