"""What a study improves: development Pass@1, or a cheaper stand-in that the study names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from benchmarks.fields import ConfigError
from benchmarks.run import run_row, synthesize_config
from benchmarks.stages import synthesize
from benchmarks.stages.context import LOSSES, Metrics
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline import Pipeline
    from benchmarks.store import Stage

HELD_OUT = "held_out"
"""The metric of a fit's curve that objectives and pruners read: loss on held-out references."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """One number for a method with a seed.

    Attributes:
        about: what it is, in words.
        direction: which way is better.
        measure: from (pipeline over development problems, method, seed) to the number.
        scores: whether it takes the whole pipeline, so that the suite's own solutions must pass
            first; otherwise the synthesize stage is all that it needs.
    """

    about: str
    direction: Literal["maximize", "minimize"]
    measure: Callable[[Pipeline, str, int], float]
    scores: bool


def pass_at_1(pipeline: Pipeline, method: str, seed: int) -> float:
    """Return Pass@1 on the development problems, in [0, 1], after all stages."""
    row = run_row(pipeline, method, seed)
    return float(row.evaluated.summary["pass@1"])


def held_out_loss(pipeline: Pipeline, method: str, seed: int) -> float:
    """Return the lowest held-out loss of the fit, in nats a token.

    Raises:
        ConfigError: the method fits nothing, or held no reference out.
    """
    points = _synthesized(pipeline, method, seed).read(LOSSES, Metrics)
    losses = [point.values[HELD_OUT] for point in points if HELD_OUT in point.values]
    if not losses:
        raise ConfigError(
            f"objective 'held-out-loss': {method} reports no held-out loss: give more references, "
            "a held_out above 0, or another objective"
        )
    return min(losses)


def new_in_domain(pipeline: Pipeline, method: str, seed: int) -> float:
    """Return the share of draws that are new tasks of the domain, in [0, 1].

    A task counts once, whatever its wording, where it is made of the domain's operations alone and
    is no reference's: alignment, diversity and novelty in one number that copies cannot raise.

    Raises:
        ConfigError: the suite's universe is not known.
    """
    suite = pipeline.context.suite
    drawn = _synthesized(pipeline, method, seed).read(SYNTHETIC, Synthetic)
    facts = {record.instruction: suite.oracle(record.instruction, None) for record in drawn}
    if any(fact is None for fact in facts.values()):
        raise ConfigError(
            f"objective 'new-in-domain': {suite.name} has no oracle: take a housestyle suite, or "
            "another objective"
        )
    new = {
        suite.program_key(instruction)
        for instruction, fact in facts.items()
        if fact and fact["in_domain"] and not fact["copy"]
    }
    return len(new) / pipeline.config.draws


def _synthesized(pipeline: Pipeline, method: str, seed: int) -> Stage:
    return pipeline.step(
        synthesize, synthesize_config(pipeline.config, method), pipeline.references,
        row=f"{method} seed {seed}", seed=seed,
    )  # fmt: skip


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "pass@1": Objective(
            about="Pass@1 on development problems, after the whole pipeline",
            direction="maximize",
            measure=pass_at_1,
            scores=True,
        ),
        "held-out-loss": Objective(
            about="loss on held-out references, in place of Pass@1",
            direction="minimize",
            measure=held_out_loss,
            scores=False,
        ),
        "new-in-domain": Objective(
            about="share of draws that are new tasks of the domain, by the suite's oracle, "
            "in place of Pass@1",
            direction="maximize",
            measure=new_in_domain,
            scores=False,
        ),
    }
)
