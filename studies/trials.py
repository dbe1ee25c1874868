"""One trial: from what the sampler suggests through the benchmark's own stages to one number."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import TrialPruned

from benchmarks.pipeline.pipeline import take_references
from benchmarks.stages.curves import LOSSES, Metrics
from benchmarks.store.identity import digest
from domino.synthesizer import SynthesisError
from studies.measures import HELD_OUT
from studies.outputs import TrialOutputs
from studies.slots import SETTING, claim_slot

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.console.display import Display
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.store.store import Stage
    from benchmarks.tracking.study import StudyTracker
    from studies.config import StudyConfig

BySeed = dict[str, list[float]]
"""By objective or measure: a value for each seed, in the order of the run's seeds."""

BY_SEED = "by_seed"
COST = "cost"
FIT_STEPS, CPU_S = "fit_steps", "cpu_s"
REASON = "reason"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trials:
    """The function that Optuna calls.

    Attributes:
        config: the study.
        pipeline: the conditions of all trials, over development problems.
        tracker: where trials are logged.
        display: where they are announced.
    """

    config: StudyConfig
    pipeline: Pipeline
    tracker: StudyTracker
    display: Display

    def __call__(self, trial: optuna.Trial) -> float | Sequence[float]:
        """Return the mean over the study's seeds of what the trial's setting comes to.

        Of several objectives, each one's.

        Raises:
            SlotTaken: another trial does the same work.
            TrialPruned: the setting is worse than others already, or no method can follow it.
        """
        claim_slot(trial, self.config.trials)
        run = self.config.of_method(self.config.space(trial, self.config.run))
        trial.set_user_attr(SETTING, trial.params)
        pipeline = self._under(run)
        began, watcher = time.process_time(), Watcher(trial, pipeline, self.config)
        with self.tracker.trial(pipeline, trial.number, trial.params):
            by_seed, reason = self._measure(watcher, pipeline)
            cost = {FIT_STEPS: watcher.steps, CPU_S: time.process_time() - began}
            trial.set_user_attr(COST, cost)
            self._log(trial, by_seed, reason, cost)
        if reason:
            raise TrialPruned(reason)
        values = [statistics.fmean(by_seed[name]) for name in self.config.aims]
        return values if self.config.also else values[0]

    def _under(self, run: RunConfig) -> Pipeline:
        """Return the pipeline with the trial's run, and fewer references where it says so."""
        if run.references == self.config.run.references:
            return replace(self.pipeline, config=run)
        references = take_references(self.pipeline.context.suite, run.references, run.seeds[0])
        return replace(
            self.pipeline, config=run, references=references, references_digest=digest(references)
        )

    def _measure(self, watcher: Watcher, pipeline: Pipeline) -> tuple[BySeed, str]:
        """Return the values of each seed, and why not all were measured ("" if they were).

        A setting that no fit can follow is a result, as a pruned one is; a broken machine is not.
        """
        config = self.config
        by_seed: BySeed = {name: [] for name in config.measured}
        try:
            for seed in config.run.seeds:
                self.tracker.begin_row(config.method, seed)
                made = TrialOutputs(
                    watcher.watched(pipeline), config.method, seed, whole=config.scores
                )
                found = {name: one.measure(made) for name, one in config.measured.items()}
                for name, value in found.items():
                    by_seed[name].append(value)
                watcher.end_seed(by_seed[config.objective])
        except TrialPruned as pruned:
            return by_seed, str(pruned)
        except SynthesisError as error:
            return by_seed, f"refused: {error}"
        return by_seed, ""

    def _log(
        self, trial: optuna.Trial, by_seed: BySeed, reason: str, cost: Mapping[str, float]
    ) -> None:
        means = {} if reason else {name: statistics.fmean(v) for name, v in by_seed.items()}
        named = {"value": means[self.config.objective], **means} if means else {}
        tags = {"state": "pruned" if reason else "complete", REASON: reason}
        trial.set_user_attr(BY_SEED, by_seed)
        trial.set_user_attr(REASON, reason)
        self.tracker.log_outcome({**named, **cost}, tags)
        said = reason or ", ".join(f"{name} {means[name]:.4f}" for name in self.config.aims)
        self.display.line(f"{self.config.full_name} trial {trial.number}: {said}")


class Watcher:
    """Counts the steps of a trial's fits, and reports to Optuna what trials are pruned by.

    That is the held-out losses of the first fit, or the objective over the seeds so far. Each loss
    is reported once, live or from the curve of a fit that was not run again. A fit that is stopped
    leaves a stage without a manifest, which is never mistaken for a complete one.

    Attributes:
        steps: optimiser steps of all seeds so far; those of a stored fit count as if run again, up
            to where it would have been stopped, so that a study costs the same on every store.
    """

    def __init__(self, trial: optuna.Trial, pipeline: Pipeline, config: StudyConfig) -> None:
        self._trial = trial
        self._sign = 1.0 if config.aim.direction == "minimize" else -1.0
        self._next_log, self._next_on_stage = pipeline.context.log, pipeline.on_stage
        self._reported: set[int] = set()
        # Optuna prunes studies of one objective alone
        self._prune_by = None if config.also else config.prune_by
        self._seeds = len(config.run.seeds)
        self._before, self._step, self._fits = 0, 0, 0
        self._fitting = False

    @property
    def steps(self) -> int:
        """Optimiser steps of all seeds so far."""
        return self._before + self._step

    def watched(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with its next fit watched."""
        self._before, self._step, self._fits = self.steps, 0, self._fits + 1
        self._fitting = True
        return replace(
            pipeline,
            on_stage=self.on_stage,
            context=replace(pipeline.context, log=self.log),
        )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Report, and stop the fit where the pruner says so."""
        self._next_log(metrics, step)
        if self._fitting:  # fine-tuning logs steps too
            self._see(metrics, step)

    def on_stage(self, stage: Stage, reused: bool) -> None:
        """Report what a stored fit has logged."""
        self._next_on_stage(stage, reused)
        if stage.name == "synthesize":
            for point in stage.read(LOSSES, Metrics):
                self._see(point.values, point.step)
            self._fitting = False

    def _see(self, metrics: Mapping[str, float], step: int) -> None:
        self._step = max(self._step, step)
        is_first = self._fits == 1 and HELD_OUT in metrics and step not in self._reported
        if not is_first or self._prune_by != "held-out-loss":
            return
        self._reported.add(step)
        self._trial.report(self._sign * metrics[HELD_OUT], step)
        if self._trial.should_prune():
            loss = metrics[HELD_OUT]
            raise TrialPruned(f"pruned: held-out loss {loss:.4f} at step {step}")

    def end_seed(self, values: Sequence[float]) -> None:
        """Report the objective's mean over the seeds so far, and stop where the pruner says so.

        Raises:
            TrialPruned: other trials were better after as many seeds.
        """
        if self._prune_by != "seeds" or len(values) == self._seeds:
            return
        mean = statistics.fmean(values)
        self._trial.report(mean, len(values))
        if self._trial.should_prune():
            raise TrialPruned(f"pruned: {mean:.4f} over {len(values)} of {self._seeds} seeds")


def chosen(config: StudyConfig, best: Mapping[str, object]) -> RunConfig:
    """Return the run that is reported: the final conditions with the best trial's setting."""
    trial = optuna.trial.FixedTrial(dict(best))
    return config.of_method(config.space(trial, config.final))
