"""`python -m benchmarks.run`: every method and seed from references to Pass@1.

Options, presets and files: `benchmarks.cli`. What a step does: `benchmarks.stages`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from benchmarks.config import RunConfig
    from benchmarks.pipeline import Pipeline
    from benchmarks.stages.decontaminate import DecontaminateConfig
    from benchmarks.store import Stage

STEPS_A_ROW = 7


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


def run_rows(
    pipeline: Pipeline, *, on_row: Callable[[str, int], None] = lambda method, seed: None
) -> list[Row]:
    """Run every method with every seed, once the suite's own solutions have passed.

    Args:
        pipeline: what the rows share.
        on_row: called with (method, seed) before each row.

    Raises:
        GoldError: the suite's canonical solutions fail, so it may not score.
    """
    config = pipeline.config
    check_gold(pipeline)
    rows = []
    for seed in config.seeds:
        for method in config.methods:
            on_row(method, seed)
            rows.append(run_row(pipeline, method, seed))
    return rows


def run_row(pipeline: Pipeline, method: str, seed: int) -> Row:
    """Take one method with one seed through all stages."""
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
    evaluated = pipeline.step(
        evaluate, config.evaluate, tuned, row=name, runs_programs=True,
        seed=seed if config.evaluate.temperature > 0 else None,
        address_inputs=[tuned] if tuned.summary["adapter"] else [],
    )  # fmt: skip

    return Row(
        method=method, seed=seed, synthesized=synthesized, filtered=filtered, responded=responded,
        agreed=agreed, pairs=pairs, tuned=tuned, evaluated=evaluated,
    )  # fmt: skip


def check_gold(pipeline: Pipeline) -> Stage:
    """Run the suite's canonical solutions through the evaluator, once for each suite."""
    config = pipeline.config
    gold_config = GoldConfig(suite=config.suite, split=config.evaluate.split)
    return pipeline.step(gold, gold_config, row=config.suite, seed=None, runs_programs=True)


def step_count(config: RunConfig) -> int:
    """Return how many steps a run has, the gold check included."""
    return 1 + STEPS_A_ROW * len(config.methods) * len(config.seeds)


def synthesize_config(config: RunConfig, method: str) -> SynthesizeConfig:
    """Return what the first stage needs to know."""
    return SynthesizeConfig(
        method=method,
        options=config.method_options.get(method, {}),
        draws=config.draws,
        sampling=config.sampling,
        description=config.description,
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
    from benchmarks.cli import main, prepare_process

    prepare_process()
    sys.exit(main(sys.argv[1:]))
