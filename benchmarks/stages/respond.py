"""Answer the instructions: by the plain backbone, behind references, the method, or a solver."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from benchmarks.methods import load_method
from benchmarks.stages.context import StageContext, seeded
from benchmarks.stages.errors import StageError
from benchmarks.stages.sieve import DROPPED, KEPT, chunks
from benchmarks.stages.synthesize import METHOD
from benchmarks.stages.traits import Traits
from domino.records import Dropped, Record, Reference, Sampling, Synthetic, derive_seed
from domino.synthesizer import SynthesisError
from domino.text import count_undecodable

if TYPE_CHECKING:
    from benchmarks.store.store import Stage
    from benchmarks.suites.base import Suite
    from benchmarks.suites.protocol import Protocol
    from domino.engines.base import Engine, Request
    from domino.synthesizer import Synthesizer

RESPONSES = "responses.jsonl"
CANDIDATES = "candidates.jsonl"

Responder = Literal["plain", "references", "own", "solver"]
RESPONDERS: tuple[Responder, ...] = get_args(Responder)
Answer = Callable[[Sequence[str], Sequence[Sampling]], list[tuple[str, ...]]]
"""Gives each instruction a response by each of the samplings, which differ in their seeds alone.

A solver has no use for samplings: one response, or () where the instruction states no task.
"""

NO_SOLUTION = "no solution"
"""The reason under which instructions are dropped that a solver cannot answer."""


def _solves(config: RespondConfig) -> bool:
    return config.responder == "solver"


TRAITS = Traits(random=lambda config: not _solves(config), runs_programs=_solves, asks=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates(Record):
    """All responses sampled for one instruction, by the id of its record."""

    id: str
    responses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RespondConfig:
    """Where responses come from: the same rule for every method.

    Attributes:
        method: the method's name, for responder "own".
        responder: "plain" (nothing else in the context), "references" (`shots` references before
            the instruction as finished turns), "own" (the method's own conditioning), or "solver"
            (the suite, exactly).
        sampling: temperature and limits; one response is decoded greedily whatever they say.
        responses: how many to sample for each instruction; above 1 all become candidates.
        shots: references in the context, sampled for each instruction.
    """

    method: str
    sampling: Sampling
    responder: Responder = "plain"
    responses: int = 1
    shots: int = 4

    def __post_init__(self) -> None:
        """Refuse counts below one and unknown responders."""
        if self.responder not in RESPONDERS:
            raise StageError(
                f"responder is {self.responder!r}: give one of {', '.join(RESPONDERS)}"
            )
        for name in ("responses", "shots"):
            if getattr(self, name) < 1:
                raise StageError(f"{name} is {getattr(self, name)}: give at least 1")


def check(config: RespondConfig, references: Sequence[Reference], suite: Suite) -> None:
    """Refuse, before anything is run, a responder that these references or this suite cannot serve.

    Raises:
        StageError: responder "references", and references without responses; or "solver", and a
            suite that has none.
    """
    if config.responder == "solver" and not suite.solves:
        raise StageError(
            f"responder 'solver': {suite.name} knows no right responses to instructions of its "
            "domain: use responder plain, references or own"
        )
    missing = [reference.id for reference in references if not reference.response]
    if config.responder == "references" and missing:
        raise StageError(
            f"responder 'references' shows references with their responses, and {len(missing)} of "
            f"{len(references)} have none (the first is {missing[0]!r}): use responder plain or own"
        )


def run(
    config: RespondConfig,
    filtered: Stage,
    synthesized: Stage,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> None:
    """Write responses.jsonl, and candidates.jsonl where several are sampled.

    A record that has a response already keeps it under responder "own", or where it is a
    reference's. Responses that a method wrote itself are ignored by other responders:
    responses come from one place for every method. What a solver cannot answer is dropped.

    Raises:
        StageError: the responder cannot be had from these references.
    """
    check(config, references, context.suite)
    records = filtered.read(KEPT, Synthetic)
    if config.responder != "own" and not synthesized.summary["keeps_responses"]:
        records = [replace(record, response=None) for record in records]
    done = {record.id for record in stage.read(RESPONSES, Synthetic)}
    done |= {drop.id for drop in stage.read(DROPPED, Dropped)}
    recorded = {candidates.id for candidates in stage.read(CANDIDATES, Candidates)}
    pending = [record for record in records if record.id not in done]
    context.progress.start(stage.name, len(records))
    context.progress.advance(len(done))
    samplings = [
        seeded(config.sampling, context.seed, "candidate", number)
        for number in range(config.responses)
    ]
    if config.responses == 1 or config.responder == "solver":
        samplings = [seeded(replace(config.sampling, temperature=0.0), context.seed, "respond")]
    answer = _answerer(config, synthesized, references, context) if pending else None
    for chunk in chunks(pending):
        unanswered = [record for record in chunk if record.response is None]
        answers: dict[str, tuple[str, ...]] = {}
        if answer and unanswered:
            texts = answer([record.instruction for record in unanswered], samplings)
            answers = {r.id: own for r, own in zip(unanswered, texts, strict=True)}
        for record in chunk:
            own = answers.get(record.id)
            if own == ():
                stage.append(DROPPED, Dropped(id=record.id, stage=stage.name, reason=NO_SOLUTION))
                continue
            if own and len(own) > 1 and record.id not in recorded:
                stage.append(CANDIDATES, Candidates(id=record.id, responses=own))
            stage.append(RESPONSES, replace(record, response=own[0]) if own else record)
        context.progress.advance(len(chunk))
    stage.finish(_summary(config, records, stage, context))


def _answerer(
    config: RespondConfig,
    synthesized: Stage,
    references: Sequence[Reference],
    context: StageContext,
) -> Answer:
    """Return the function that answers instructions."""
    if config.responder == "solver":
        return lambda instructions, samplings: [
            () if response is None else (response,)
            for response in context.suite.solve(instructions, context.sandbox)
        ]
    if config.responder == "own":
        method = load_method(config.method)
        fitted = method.load(synthesized.path / METHOD, context.fit_context(context.log))
        return lambda instructions, samplings: list(
            zip(*(_own(fitted, instructions, sampling) for sampling in samplings), strict=True)
        )
    engine = context.engine()
    protocol = context.suite.protocol(chat=engine.has_turns)
    shots = min(config.shots, len(references)) if config.responder == "references" else 0

    def request(instruction: str, sampling: Sampling) -> Request:
        seed = derive_seed(sampling.seed, "respond", instruction)
        chosen = random.Random(seed).sample(list(references), shots) if shots else []
        solved = [(reference.instruction, reference.response or "") for reference in chosen]
        return protocol.request(engine, instruction, seed, solved)

    return lambda instructions, samplings: ask_at_once(
        engine, protocol, instructions, samplings, request
    )


def ask_at_once(
    engine: Engine,
    protocol: Protocol,
    instructions: Sequence[str],
    samplings: Sequence[Sampling],
    request: Callable[[str, Sampling], Request],
) -> list[tuple[str, ...]]:
    """Return each instruction's responses, all asked for at once: its prompt is then read once."""
    requests = [request(one, sampling) for one in instructions for sampling in samplings]
    made = engine.generate(requests, protocol.sampling(samplings[0]))
    by_instruction = zip(instructions, chunks(made, len(samplings)), strict=True)
    return [
        tuple(protocol.solution(instruction, completion.text) for completion in own)
        for instruction, own in by_instruction
    ]


def _own(method: Synthesizer, instructions: Sequence[str], sampling: Sampling) -> list[str]:
    """Return a method's own responses.

    Raises:
        SynthesisError: they are not one for each instruction.
    """
    texts = method.respond(instructions, sampling)
    if len(texts) != len(instructions):
        raise SynthesisError(
            f"respond gave {len(texts)} responses to {len(instructions)} instructions: give one "
            "for each, in order"
        )
    return texts


def _summary(
    config: RespondConfig, records: Sequence[Synthetic], stage: Stage, context: StageContext
) -> dict[str, int | dict[str, int]]:
    """Count records and generated tokens; every record has one response or was dropped."""
    responses = stage.read(RESPONSES, Synthetic)
    dropped = {drop.id: drop.reason for drop in stage.read(DROPPED, Dropped)}
    if [r.id for r in responses] != [r.id for r in records if r.id not in dropped]:
        raise StageError(
            f"{stage.path}: responses do not match the instructions: remove it and run again"
        )
    given = {record.id for record in records if record.response is not None}
    candidates = stage.read(CANDIDATES, Candidates)
    voted = {candidate.id for candidate in candidates}
    texts = [text for candidate in candidates for text in candidate.responses]
    if not _solves(config):
        texts += [r.response or "" for r in responses if r.id not in given and r.id not in voted]
    tokens = sum(map(context.engine().count_tokens, texts)) if texts else 0
    return {
        "in": len(records),
        "kept": len(responses),
        "dropped": dict(Counter(dropped.values())),
        "given": len(given),
        "generated": len(texts),
        "tokens": tokens,
        "undecodable": count_undecodable(texts),
    }
