"""The loop of one process, and a study from its config to its result."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from benchmarks.common.words import counted
from benchmarks.console.display import Display, make_display
from benchmarks.engines import EngineFactory
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.pipeline.rows import row_steps
from benchmarks.run import check_gold
from benchmarks.run import execute as execute_run
from benchmarks.session import check_before_work
from benchmarks.tracking.study import StudyTracker
from benchmarks.tracking.values import tracking_place
from studies.cells import TrialCells, cell_conditions, restore
from studies.development import without_test_problems
from studies.front import chosen_trial
from studies.page import make_page
from studies.slots import (
    SlotTaken,
    fail_dead_trials,
    is_lost,
    is_settled,
    retry,
    trials_by_slot,
    was_reassigned,
)
from studies.storage import (
    check_space,
    conditions,
    kept_in,
    open_study,
    shown,
    storage_address,
)
from studies.tables import show_trials
from studies.trials import Trials, chosen

if TYPE_CHECKING:
    from benchmarks.report.terminal import Report
    from studies.config import StudyConfig

_POLL_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    """The outcome: the study, its chosen trial, and the result on test problems."""

    study: optuna.Study
    best: FrozenTrial
    report: Report | None


def execute(
    config: StudyConfig,
    *,
    plain: bool = False,
    test: bool = True,
    json_path: Path | None = None,
    make_engine: EngineFactory | None = None,
) -> StudyResult:
    """Run the missing trials, print them, and run the best setting on the test problems.

    Args:
        config: the study.
        plain: print lines instead of the live display.
        test: whether the best setting is run on the test problems.
        json_path: file for the result's report as JSON.
        make_engine: makes engines; default: from the config.

    Raises:
        ConfigError: the input is invalid, or no trial has a value.
        StoreError: the disk is full, or the study's storage no longer answers.
    """
    with kept_in(config):
        with make_display(plain=plain or not sys.stdout.isatty()) as display:
            study, tracker = _search(config, display, make_engine)
        best = chosen_trial(config, study)
        console = Console(width=None if sys.stdout.isatty() else 140)
        show_trials(config, study, best, console)
    console.print(tracker.where(), markup=False, highlight=False, soft_wrap=True)
    if not test:
        return StudyResult(study=study, best=best, report=None)
    report = execute_run(
        chosen(config, best.params), json_path=json_path, plain=plain, make_engine=make_engine
    )
    return StudyResult(study=study, best=best, report=report)


def _search(
    config: StudyConfig, display: Display, make_engine: EngineFactory | None
) -> tuple[optuna.Study, StudyTracker]:
    """Check all input, open everything, and run the trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the display and the table say it
    check_space(config)
    run = config.of_method(config.run)
    tracker = StudyTracker(tracking_place(run.tracking_uri, run.output), warn=display.line)
    whole = open_pipeline(
        run, display=display, steps=_steps(config), make_engine=make_engine,
        on_stage=lambda stage, reused: tracker.log_stage(stage, reused=reused),
    )  # fmt: skip
    check_before_work(whole)
    pipeline = without_test_problems(whole)
    cells = None if config.cells is None else TrialCells(config, config.cells)
    expected = cell_conditions(config, pipeline)
    there = [] if cells is None else cells.agreeing(expected)
    study = open_study(config, pipeline)
    restored = restore(study, there)
    if cells is not None:
        display.line(f"{counted(restored, 'trial')} imported from {cells.folder}")
    key = f"{config.full_name} in {shown(storage_address(config))}"
    with closing(whole), tracker.study(pipeline, key, conditions(config, pipeline)):
        if config.scores:  # no trial's stage, so it is logged to none
            check_gold(replace(pipeline, on_stage=lambda stage, reused: None))
        trials = Trials(config=config, pipeline=pipeline, tracker=tracker, display=display)
        work(
            study,
            trials,
            config.trials,
            on_end=lambda: cells.keep(study, expected) if cells else None,
        )
        best = chosen_trial(config, study)
        tracker.tag_best(best.number, float(best.values[0]))
        page = make_page(config, study)
        tracker.log_study(page)
        display.line(f"report: {page.write(config.report_folder)}")
    return study, tracker


def work(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float | Sequence[float]],
    trials: int,
    *,
    on_end: Callable[[], None] = lambda: None,
    wait: Callable[[], None] = lambda: time.sleep(_POLL_S),
) -> None:
    """Run trials until the study has `trials` finished ones, over all processes.

    While other processes run the last ones it waits, and takes over if they die. `on_end` is called
    when trials have ended.
    """
    while True:
        _bury(study)
        on_end()
        slots = trials_by_slot(study.get_trials(deepcopy=False))
        open_slots = {slot: slots.get(slot, []) for slot in range(trials)}
        open_slots = {slot: own for slot, own in open_slots.items() if not is_settled(own)}
        if not open_slots:
            return
        lost = {slot: own for slot, own in open_slots.items() if is_lost(own)}
        for slot, own in lost.items():
            retry(study, slot, own)
        waiting = any(t.state == TrialState.WAITING for own in open_slots.values() for t in own)
        if lost or waiting or not all(open_slots.values()):
            run_one(study, objective)
        else:
            wait()


def run_one(
    study: optuna.Study, objective: Callable[[optuna.Trial], float | Sequence[float]]
) -> None:
    """Run one trial; if it was declared dead meanwhile, another process has taken it over."""
    taken_away = False

    def watched(trial: optuna.Trial) -> float | Sequence[float]:
        nonlocal taken_away
        try:
            return objective(trial)
        finally:
            taken_away = was_reassigned(trial)

    try:
        study.optimize(watched, n_trials=1, catch=(SlotTaken,))
    except (UpdateFinishedTrialError, ValueError):  # Optuna cannot end what has ended
        if not taken_away:
            raise


def _bury(study: optuna.Study) -> None:
    """Fail the trials of dead processes: by their signature, and by the storage's heartbeat."""
    fail_dead_trials(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _steps(config: StudyConfig) -> int:
    """Return how many stages a process that runs all trials goes through."""
    run = config.of_method(config.run)
    gold_check = int(config.scores)
    rows = row_steps(run) - 1 if config.scores else len(run.seeds)
    return gold_check + config.trials * rows
