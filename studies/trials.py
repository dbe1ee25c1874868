"""One trial: from what the sampler suggests through the benchmark's own stages to one number."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import TrialPruned

from benchmarks.stages.context import LOSSES, Metrics
from domino.synthesizer import SynthesisError
from studies.objective import HELD_OUT
from studies.slots import SETTING, claim

if TYPE_CHECKING:
    from benchmarks.config import RunConfig
    from benchmarks.pipeline import OnStage, Pipeline
    from benchmarks.progress import Display
    from benchmarks.stages.context import Log
    from benchmarks.store import Stage
    from benchmarks.tracking_study import StudyTracker
    from studies.config import StudyConfig

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

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the mean over the study's seeds of what the trial's setting comes to.

        Raises:
            GivesWay: another trial does the same work.
            TrialPruned: the setting is worse than others already, or no method can follow it.
        """
        claim(trial, self.config.trials)
        run = self.config.of_method(self.config.space(trial, self.config.run))
        trial.set_user_attr(SETTING, trial.params)
        pipeline = replace(self.pipeline, config=run)
        with self.tracker.trial(pipeline, trial.number, trial.params):
            values, reason = self._measure(trial, pipeline)
            self._log(trial, values, reason)
        if reason:
            raise TrialPruned(reason)
        return statistics.fmean(values)

    def _measure(self, trial: optuna.Trial, pipeline: Pipeline) -> tuple[list[float], str]:
        """Return the value of each seed, and why not all of them were measured ("" if they were).

        A setting that no fit can follow is a result, as a pruned one is; a broken machine is not.
        """
        values: list[float] = []
        try:
            for index, seed in enumerate(self.config.run.seeds):
                self.tracker.begin_row(self.config.method, seed)
                watched = watch(trial, pipeline, self.config) if index == 0 else pipeline
                values.append(self.config.aim.measure(watched, self.config.method, seed))
        except TrialPruned as pruned:
            return values, str(pruned)
        except SynthesisError as error:
            return values, f"refused: {error}"
        return values, ""

    def _log(self, trial: optuna.Trial, values: Sequence[float], reason: str) -> None:
        named: Mapping[str, float] = {} if reason else {"value": statistics.fmean(values)}
        tags = {"state": "pruned" if reason else "complete", REASON: reason}
        trial.set_user_attr(BY_SEED, list(values))
        trial.set_user_attr(REASON, reason)
        self.tracker.log_outcome(named, tags)
        said = reason or f"{self.config.objective} {statistics.fmean(values):.4f}"
        self.display.line(f"{self.config.full_name} trial {trial.number}: {said}")


def watch(trial: optuna.Trial, pipeline: Pipeline, config: StudyConfig) -> Pipeline:
    """Return the pipeline with the held-out losses of its fit reported to the pruner.

    A fit that is stopped leaves a stage without a manifest, which is never taken for a whole one.
    """
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
