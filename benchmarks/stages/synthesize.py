"""Fit the method on the references, then draw instructions from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks.controls import Control
from benchmarks.methods import load_method
from benchmarks.stages.context import StageContext, seeded
from benchmarks.stages.curves import recorded_log
from benchmarks.stages.errors import StageError
from benchmarks.stages.traits import Traits, always
from domino.records import Reference, Sampling, Synthetic
from domino.synthesizer import Domain, SynthesisError, Synthesizer
from domino.text import count_undecodable

if TYPE_CHECKING:
    from benchmarks.store.store import Stage

SYNTHETIC = "synthetic.jsonl"
METHOD = "method"
SCRATCH = ".fit"  # hidden, and so no part of the finished stage


TRAITS = Traits(random=always)


@dataclass(frozen=True, kw_only=True, slots=True)
class SynthesizeConfig:
    """How much to draw, and from which method.

    Attributes:
        method: its name in `benchmarks.methods.METHODS`.
        options: fields of the method's own config that differ from their defaults.
        other_options: those of them that do not change a result.
        draws: instructions to draw, before any filter.
        sampling: how instructions are sampled; each row derives its seed from it.
        description: words about the domain, for deductive methods.
    """

    method: str
    draws: int
    sampling: Sampling
    options: Mapping[str, Any] = field(default_factory=dict)
    other_options: Mapping[str, Any] = field(
        default_factory=dict, metadata={"changes_result": False}
    )
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
    """Write method/, losses.jsonl and synthetic.jsonl; continue where a process stopped.

    A method that adds no new instruction gives all that it has, whatever `draws` says. The summary
    also holds what the method refused itself, and the reason that it gave where it ran dry.

    Raises:
        SynthesisError: the method cannot learn from these references, or yields what it must not.
    """
    method_class = load_method(config.method)
    made = stage.read(SYNTHETIC, Synthetic)
    wanted = config.draws if method_class.synthesizes else max(config.draws, len(references))
    context.progress.start(stage.name, wanted if method_class.synthesizes else None)
    context.progress.advance(len(made))
    method = _fitted(config, references, stage, context)
    if len(made) < wanted:
        sampling = seeded(config.sampling, context.seed, "synthesize")
        for record in _draw(method, sampling, made, wanted):
            stage.append(SYNTHETIC, record)
            context.progress.advance()
            made.append(record)
    tally = method.tally()
    findings = dict(method.findings())
    if findings:
        said = ", ".join(f"{name} {value:.3g}" for name, value in findings.items())
        context.progress.line(f"{config.method} seed {context.seed}, as fitted: {said}")
    missing = wanted - len(made) if method_class.synthesizes else 0
    if missing:
        context.progress.note(f"{config.method} ran dry: {missing} of {wanted} draws are missing")
    summary = {
        "drawn": len(made),
        "missing": missing,
        "why": " ".join(tally.stopped.split()) if missing else "",
        "refused": {reason: count for reason, count in tally.rejected.most_common() if count},
        "tokens": sum(record.provenance.tokens for record in made),
        "undecodable": count_undecodable(f"{r.instruction}{r.response}" for r in made),
        "synthesizes": method_class.synthesizes,
        "keeps_responses": method_class.keeps_responses,
    }
    more = {"description": method.description, "findings": findings}
    stage.finish(summary | {name: value for name, value in more.items() if value})


def _fitted(
    config: SynthesizeConfig,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> Synthesizer:
    """Return the method as the stage's method/ has it, learning it first where it is not there."""
    method_class = load_method(config.method)
    saved = stage.path / METHOD
    if not stage.has(METHOD):
        method = _made(method_class, {**config.options, **config.other_options})
        if isinstance(method, Control):
            method.open_suite(context.suite)
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
        context.rest_engine()
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
    method: Synthesizer, sampling: Sampling, made: Sequence[Synthetic], wanted: int
) -> Iterator[Synthetic]:
    """Yield what a method makes after the records that are there already.

    Raises:
        SynthesisError: a record is none, repeats an id, or is more than was asked for.
    """
    first = len(made)
    seen = {record.id for record in made}
    records: Any = method.synthesize(wanted - first, sampling, first=first)
    if not isinstance(records, Iterable):
        raise SynthesisError(f"synthesize returned {records!r}: yield records")
    for record in islice(records, wanted - first + 1):  # one more shows a method that goes on
        if not isinstance(record, Synthetic):
            raise SynthesisError(
                f"the method yielded a {type(record).__name__}: yield domino.records.Synthetic"
            )
        if record.id in seen:
            raise SynthesisError(
                f"the method yielded the id {record.id!r} twice: number records from `first`"
            )
        if len(seen) == wanted:
            raise SynthesisError(
                f"the method yielded more than the {wanted - first} records asked for: stop at "
                "`count`"
            )
        seen.add(record.id)
        yield record
