"""One trial: from what the sampler suggests through the benchmark's own stages to one number."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import TrialPruned

from benchmarks.identity import digest
from benchmarks.pipeline import take_references
from benchmarks.stages.context import LOSSES, Metrics
from domino.synthesizer import SynthesisError
from studies.made import Made
from studies.measures import HELD_OUT
from studies.slots import SETTING, claim

if TYPE_CHECKING:
    from benchmarks.config import RunConfig
    from benchmarks.pipeline import OnStage, Pipeline
    from benchmarks.progress import Display
    from benchmarks.stages.context import Log
    from benchmarks.store import Stage
    from benchmarks.tracking_study import StudyTracker
    from studies.config import StudyConfig

BySeed = dict[str, list[float]]
"""By objective or measure: a value for each seed, in the order of the run's seeds."""

BY_SEED = "by_seed"
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
            GivesWay: another trial does the same work.
            TrialPruned: the setting is worse than others already, or no method can follow it.
        """
        claim(trial, self.config.trials)
        run = self.config.of_method(self.config.space(trial, self.config.run))
        trial.set_user_attr(SETTING, trial.params)
        pipeline = self._under(run)
        with self.tracker.trial(pipeline, trial.number, trial.params):
            by_seed, reason = self._measure(trial, pipeline)
            self._log(trial, by_seed, reason)
        if reason:
            raise TrialPruned(reason)
        values = [statistics.fmean(by_seed[name]) for name in self.config.aims]
        return values if self.config.also else values[0]

    def _under(self, run: RunConfig) -> Pipeline:
        """Return the pipeline with the trial's run, and fewer references where it says so."""
        if run.references == self.config.run.references:
            return replace(self.pipeline, config=run)
        references = take_references(self.pipeline.context.suite, run.references)
        return replace(
            self.pipeline, config=run, references=references, references_digest=digest(references)
        )

    def _measure(self, trial: optuna.Trial, pipeline: Pipeline) -> tuple[BySeed, str]:
        """Return the values of each seed, and why not all were measured ("" if they were).

        A setting that no fit can follow is a result, as a pruned one is; a broken machine is not.
        """
        config = self.config
        by_seed: BySeed = {name: [] for name in config.measured}
        try:
            for index, seed in enumerate(config.run.seeds):
                self.tracker.begin_row(config.method, seed)
                watched = watch(trial, pipeline, config) if index == 0 else pipeline
                made = Made(watched, config.method, seed, whole=config.scores)
                found = {name: one.measure(made) for name, one in config.measured.items()}
                for name, value in found.items():
                    by_seed[name].append(value)
        except TrialPruned as pruned:
            return by_seed, str(pruned)
        except SynthesisError as error:
            return by_seed, f"refused: {error}"
        return by_seed, ""

    def _log(self, trial: optuna.Trial, by_seed: BySeed, reason: str) -> None:
        means = {} if reason else {name: statistics.fmean(v) for name, v in by_seed.items()}
        named = {"value": means[self.config.objective], **means} if means else {}
        tags = {"state": "pruned" if reason else "complete", REASON: reason}
        trial.set_user_attr(BY_SEED, by_seed)
        trial.set_user_attr(REASON, reason)
        self.tracker.log_outcome(named, tags)
        said = reason or ", ".join(f"{name} {means[name]:.4f}" for name in self.config.aims)
        self.display.line(f"{self.config.full_name} trial {trial.number}: {said}")


def watch(trial: optuna.Trial, pipeline: Pipeline, config: StudyConfig) -> Pipeline:
    """Return the pipeline with the held-out losses of its fit reported to the pruner.

    A fit that is stopped leaves a stage without a manifest, which is never taken for a whole one.
    """
    if config.also:
        return pipeline  # Optuna prunes studies of one objective alone
    sign = 1.0 if config.aim.direction == "minimize" else -1.0
    watcher = _Watcher(trial, sign, pipeline.context.log, pipeline.on_stage)
    return replace(
        pipeline,
        on_stage=watcher.on_stage,
        context=replace(pipeline.context, log=watcher.log),
    )


class _Watcher:
    """Reports each held-out loss once, live or from the curve of a fit that was not run again."""

    def __init__(self, trial: optuna.Trial, sign: float, log: Log, on_stage: OnStage) -> None:
        self._trial, self._sign = trial, sign
        self._next_log, self._next_on_stage = log, on_stage
        self._reported: set[int] = set()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Report, and stop the fit where the pruner says so."""
        self._next_log(metrics, step)
        self._report(metrics, step)

    def on_stage(self, stage: Stage, reused: bool) -> None:
        """Report what a stored fit has logged."""
        self._next_on_stage(stage, reused)
        if stage.name == "synthesize":
            for point in stage.read(LOSSES, Metrics):
                self._report(point.values, point.step)

    def _report(self, metrics: Mapping[str, float], step: int) -> None:
        if HELD_OUT not in metrics or step in self._reported:
            return
        self._reported.add(step)
        self._trial.report(self._sign * metrics[HELD_OUT], step)
        if self._trial.should_prune():
            loss = metrics[HELD_OUT]
            raise TrialPruned(f"pruned: held-out loss {loss:.4f} at step {step}")


def chosen(config: StudyConfig, best: Mapping[str, object]) -> RunConfig:
    """Return the run that is reported: the final conditions with the best trial's setting."""
    trial = optuna.trial.FixedTrial(dict(best))
    return config.of_method(config.space(trial, config.final))
