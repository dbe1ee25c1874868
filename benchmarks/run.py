"""`python -m benchmarks.run`: every method and seed from references to Pass@1.

Options, presets and files: `benchmarks.cli`. What a step does: `benchmarks.stages`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.methods import load_method, reads_description
from benchmarks.stages import (
    decontaminate,
    evaluate,
    filter_instructions,
    filter_responses,
    finetune,
    gold,
    respond,
    synthesize,
)
from benchmarks.stages.gold import GoldConfig
from benchmarks.stages.respond import RespondConfig
from benchmarks.stages.synthesize import SynthesizeConfig
from domino.engines.base import EngineError
from domino.synthesizer import SynthesisError

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.stages.decontaminate import DecontaminateConfig
    from benchmarks.store.store import Stage

STEPS = (
    "synthesize", "filter-instructions", "respond", "filter-responses", "decontaminate",
    "finetune", "evaluate",
)  # fmt: skip
"""The stages of a row, in order."""

ROW_ERRORS = (SynthesisError, EngineError)
"""What ends one row and no other; a machine that is broken ends the run."""


class NoPairsError(SynthesisError):
    """A method left no pair to train on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One method with one seed: its finished stages, in the order of the run."""

    method: str
    seed: int
    synthesized: Stage
    filtered: Stage
    responded: Stage
    agreed: Stage
    pairs: Stage
    tuned: Stage
    evaluated: Stage

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, from first to last."""
        return (
            self.synthesized, self.filtered, self.responded, self.agreed, self.pairs, self.tuned,
            self.evaluated,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRow:
    """One method with one seed that could not go on; the same command tries it again.

    Attributes:
        asked: instructions that the method was asked for.
        stages: the stages that it finished, in the order of the run.
        stage: the stage that it failed in.
        reason: why, in one line.
    """

    method: str
    seed: int
    asked: int
    stages: tuple[Stage, ...]
    stage: str
    reason: str


def run_rows(
    pipeline: Pipeline,
    *,
    on_row: Callable[[str, int], None] = lambda method, seed: None,
    on_failure: Callable[[FailedRow], None] = lambda row: None,
) -> list[Row | FailedRow]:
    """Run every method with every seed, once the suite's own solutions have passed.

    Args:
        pipeline: what the rows share.
        on_row: called with (method, seed) before each row.
        on_failure: called with each row that could not go on; the others do.

    Raises:
        GoldError: the suite's canonical solutions fail, so it may not score.
        StoreError: the disk is full.
        SandboxError: the sandbox does not work.
    """
    config = pipeline.config
    check_gold(pipeline)
    rows = []
    for seed in config.seeds:
        for method in config.methods:
            on_row(method, seed)
            row = try_row(pipeline, method, seed)
            if isinstance(row, FailedRow):
                on_failure(row)
            rows.append(row)
    return rows


def try_row(pipeline: Pipeline, method: str, seed: int) -> Row | FailedRow:
    """Run a row, or say where and why its method could not go on."""
    finished: list[Stage] = []

    def remember(stage: Stage, reused: bool) -> None:
        finished.append(stage)
        pipeline.on_stage(stage, reused)

    try:
        return run_row(replace(pipeline, on_stage=remember), method, seed)
    except ROW_ERRORS as error:
        where = len(finished) - isinstance(error, NoPairsError)
        reason = " ".join(str(error).split()) or type(error).__name__
    asked = pipeline.config.draws if load_method(method).synthesizes else 0
    return FailedRow(
        method=method, seed=seed, asked=asked, stages=tuple(finished), stage=STEPS[where],
        reason=reason,
    )  # fmt: skip


def run_row(pipeline: Pipeline, method: str, seed: int) -> Row:
    """Take one method with one seed through all stages.

    Raises:
        SynthesisError: the method cannot go on, or left no pair.
        EngineError: the backbone cannot serve it.
    """
    config, references, name = pipeline.config, pipeline.references, f"{method} seed {seed}"

    synthesized = pipeline.step(
        synthesize, synthesize_config(config, method), references, row=name, seed=seed
    )
    filtered = pipeline.step(filter_instructions, config.filter, synthesized, row=name, seed=seed)
    responded = pipeline.step(
        respond, respond_config(config, method), filtered, synthesized, references,
        row=name, seed=seed,
    )  # fmt: skip
    agreed = pipeline.step(
        filter_responses, config.filter, responded, row=name, seed=seed, runs_programs=True
    )
    pairs = pipeline.step(
        decontaminate, decontaminate_config(config, synthesized), agreed, references,
        row=name, seed=None,
    )  # fmt: skip
    tuned = pipeline.step(finetune, config.finetune, pairs, row=name, seed=seed)
    require_pairs(synthesized, tuned)
    evaluated = pipeline.step(
        evaluate, config.evaluate, tuned, row=name, runs_programs=True,
        seed=seed if config.evaluate.temperature > 0 else None,
        address_inputs=[tuned] if tuned.summary["adapter"] else [],
    )  # fmt: skip

    return Row(
        method=method, seed=seed, synthesized=synthesized, filtered=filtered, responded=responded,
        agreed=agreed, pairs=pairs, tuned=tuned, evaluated=evaluated,
    )  # fmt: skip


def require_pairs(synthesized: Stage, tuned: Stage) -> None:
    """Refuse to score the plain backbone in the name of a method that left it as it was.

    Raises:
        NoPairsError: the method should have given pairs, and none is left.
    """
    drawn, new = synthesized.summary["drawn"], synthesized.summary["synthesizes"]
    if tuned.summary["kept"] or not (drawn or new):
        return
    if not drawn:
        why = synthesized.summary["why"] or "it gave no reason"
        raise NoPairsError(f"no pair to train on: the method returned nothing ({why})")
    raise NoPairsError(f"no pair to train on: all {drawn} instructions were dropped")


def check_gold(pipeline: Pipeline) -> Stage:
    """Run the suite's canonical solutions through the evaluator, once for each suite."""
    config = pipeline.config
    gold_config = GoldConfig(suite=config.suite, split=config.evaluate.split)
    return pipeline.step(gold, gold_config, row=config.suite, seed=None, runs_programs=True)


def step_count(config: RunConfig) -> int:
    """Return how many steps a run has, the gold check included."""
    return 1 + len(STEPS) * len(config.methods) * len(config.seeds)


def synthesize_config(config: RunConfig, method: str) -> SynthesizeConfig:
    """Return what the first stage needs to know."""
    return SynthesizeConfig(
        method=method,
        options=config.method_options.get(method, {}),
        draws=config.draws,
        sampling=config.sampling,
        description=config.description if reads_description(method) else "",
    )


def respond_config(config: RunConfig, method: str) -> RespondConfig:
    """Return the responder's rule: the same for every method."""
    return RespondConfig(
        method=method,
        responder=config.responder,
        sampling=config.response_sampling,
        responses=config.filter.responses,
        shots=config.shots,
    )


def decontaminate_config(config: RunConfig, synthesized: Stage) -> DecontaminateConfig:
    """Return the budget, and whether references are protected from being repeated.

    A method whose instructions are the references is neither cut nor refused for repeating them.
    """
    new = bool(synthesized.summary["synthesizes"])
    return replace(config.decontaminate, pairs=config.pairs if new else None, references=new)


if __name__ == "__main__":
    from benchmarks.cli.options import main, prepare_process

    prepare_process()
    sys.exit(main(sys.argv[1:]))
