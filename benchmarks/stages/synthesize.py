"""Fit the method on the references, then draw instructions from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.methods import load_method
from benchmarks.stages.context import StageContext, StageError, recorded_log, seeded
from benchmarks.stages.sieve import require_unique_ids
from domino.records import Reference, Sampling, Synthetic
from domino.synthesizer import Domain, Synthesizer

if TYPE_CHECKING:
    from benchmarks.store import Stage

SYNTHETIC = "synthetic.jsonl"
METHOD = "method"
SCRATCH = ".fit"  # hidden, and so no part of the finished stage


@dataclass(frozen=True, kw_only=True, slots=True)
class SynthesizeConfig:
    """How much to draw, and from which method.

    Attributes:
        method: its name in `benchmarks.methods.METHODS`.
        options: fields of the method's own config that differ from their defaults.
        draws: instructions to draw, before any filter.
        sampling: how instructions are sampled; each row derives its seed from it.
        description: words about the domain, for deductive methods.
    """

    method: str
    draws: int
    sampling: Sampling
    options: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse a run that draws nothing."""
        if self.draws < 1:
            raise StageError(f"draws is {self.draws}: give at least 1")


def run(
    config: SynthesizeConfig,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> None:
    """Write synthetic.jsonl and method/; continues where an earlier process stopped, fits included.

    A method that adds no new instruction gives all that it has, whatever `draws` says.

    Raises:
        SynthesisError: the method cannot learn from these references.
    """
    method_class = load_method(config.method)
    made = stage.read(SYNTHETIC, Synthetic)
    wanted = config.draws if method_class.synthesizes else max(config.draws, len(references))
    context.progress.start(stage.name, wanted if method_class.synthesizes else None)
    context.progress.advance(len(made))
    method = _fitted(config, references, stage, context)
    if len(made) < wanted:
        sampling = seeded(config.sampling, context.seed, "synthesize")
        made += _draw(method, sampling, len(made), wanted, stage, context)
    findings = dict(method.findings())
    if findings:
        context.progress.note(", ".join(f"{name} {value:.3g}" for name, value in findings.items()))
    require_unique_ids(stage.name, [record.id for record in made])
    missing = wanted - len(made) if method_class.synthesizes else 0
    if missing:
        context.progress.note(f"{config.method} ran dry: {missing} of {wanted} draws are missing")
    summary = {
        "drawn": len(made),
        "missing": missing,
        "tokens": sum(record.provenance.tokens for record in made),
        "synthesizes": method_class.synthesizes,
    }
    said = {"description": method.description, "findings": findings}
    stage.finish(summary | {name: value for name, value in said.items() if value})


def _fitted(
    config: SynthesizeConfig,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> Synthesizer:
    """Return the method as the stage's method/ has it, learning it first where it is not there."""
    method_class = load_method(config.method)
    saved = stage.path / METHOD
    if not saved.is_dir():
        method = _made(method_class, config.options)
        domain = Domain(
            references=tuple(references),
            template=context.suite.template,
            description=config.description,
        )
        learning = context.fit_context(
            recorded_log(stage, context.log),
            sampling=seeded(config.sampling, context.seed, "fit"),
            scratch=stage.path / SCRATCH,
        )
        method.fit(domain, learning)
        with stage.directory(METHOD) as directory:
            method.save(directory)
    stage.discard(SCRATCH)
    return method_class.load(saved, context.fit_context(context.log))


def _made(method_class: Any, options: Mapping[str, Any]) -> Synthesizer:
    """Build a method from the options that differ from its defaults."""
    method: Synthesizer = method_class(method_class.config_class(**options))
    return method


def _draw(
    method: Synthesizer,
    sampling: Sampling,
    first: int,
    wanted: int,
    stage: Stage,
    context: StageContext,
) -> list[Synthetic]:
    made = []
    for record in method.synthesize(wanted - first, sampling, first=first):
        stage.append(SYNTHETIC, record)
        context.progress.advance()
        made.append(record)
    return made
