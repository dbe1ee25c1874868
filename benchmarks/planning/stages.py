"""From a run's config to the pieces of work of each stage.

What a method asks the engine for is its own `profile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.methods import load_method
from benchmarks.planning.fits import fit_pieces, prefix_tokens
from benchmarks.planning.work import Generation, LoraSteps, Machine, Piece, Programs, Reading, Wait
from benchmarks.stages.sieve import CHUNK

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.planning.lengths import Lengths

JUDGE_WORDS = 70  # of the judge's prompt around what is judged
_GRADE = 3  # tokens of an answer that is a grade and ends
_TURN = 8  # tokens of a chat template around a turn
_MEASURE_S = 0.012  # of one text against the others, by all measures of `describe`: measured
_RECORD_S = 0.002  # overhead of one instruction in the response filter, without programs: measured
SHARED = "all methods"
"""Whose the stages are that a run has once."""


def row_pieces(
    config: RunConfig, method: str, lengths: Lengths, machine: Machine
) -> dict[str, list[Piece]]:
    """Return the pieces of each stage of one row, one seed."""
    known = {name: number.value for name, number in lengths.items()}
    drawing = _draws(config, method, known)
    kept = drawing.drawn * known["kept_share"] if drawing.new else drawing.drawn
    found: dict[str, list[Piece]] = {
        "synthesize": [*fit_pieces(config, method, known, machine), *drawing.pieces],
        "filter-instructions": _judged(
            config.filter.judge_instructions, drawing.drawn, known["instruction_tokens"]
        ),
        "respond": [_responses(config, method, kept, known, machine)],
        "filter-responses": _response_filter(config, kept, known),
        "finetune": [_tuning(config, known)] if load_method(method).trains else [],
        "evaluate": _evaluation(config, known),
        "embed": [Reading(texts=min(drawing.drawn, config.embed.texts), tokens=drawing.tokens)],
        "describe": [Wait(seconds=_MEASURE_S * min(drawing.drawn, config.embed.texts))],
    }
    return found


def shared_pieces(config: RunConfig, lengths: Lengths, machine: Machine) -> dict[str, list[Piece]]:
    """Return the pieces of the stages that a run has once."""
    known = {name: number.value for name, number in lengths.items()}
    texts = known["problems"] + known["references"]
    return {
        "start": [Wait(seconds=machine.device.start_s)],
        "gold": [] if config.suite in UNSOLVED else [_programs(config, known["problems"], known)],
        "embed": [Reading(texts=texts, tokens=known["problem_tokens"])],
        "describe": [Wait(seconds=_MEASURE_S * texts)],
    }


def evaluated_once(config: RunConfig, method: str) -> bool:
    """Whether all seeds of a method have one evaluation: the plain backbone, greedily."""
    return not load_method(method).trains and config.evaluate.temperature == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Draws:
    """What a method draws: how many, of which length, by which pieces; whether it is new."""

    drawn: float
    tokens: float
    new: bool
    pieces: Sequence[Piece]


def _draws(config: RunConfig, method: str, known: Mapping[str, float]) -> _Draws:
    method_class = load_method(method)
    if not method_class.synthesizes:
        count = known["references"] if method_class.trains else 0.0
        return _Draws(drawn=count, tokens=known["reference_tokens"], new=False, pieces=())
    profile = method_class.profile
    new = (
        profile.lengths * known["instruction_tokens"] + profile.responses * known["response_tokens"]
    )
    piece = Generation(
        requests=config.draws * profile.requests,
        prompt=profile.shown * known["reference_tokens"] + profile.words,
        new=new,
        limit=max(new, config.sampling.max_new_tokens),
        shared=prefix_tokens(config, method),
        a_call=128,
    )
    tokens = known["instruction_tokens"]
    return _Draws(drawn=config.draws, tokens=tokens, new=True, pieces=(piece,))


def _responses(
    config: RunConfig, method: str, kept: float, known: Mapping[str, float], machine: Machine
) -> Piece:
    if config.responder == "solver":
        return Wait(seconds=_RECORD_S * kept)
    prompt = known["instruction_tokens"] + _TURN
    shared = 0.0
    if config.responder == "references":
        prompt += config.shots * (known["reference_tokens"] + known["response_tokens"])
    if config.responder == "own":
        shared = prefix_tokens(config, method)
        shown = load_method(method).profile.shown
        prompt += shown * (known["reference_tokens"] + known["response_tokens"])
    each = 1 if config.responder == "own" else config.filter.responses
    return Generation(
        requests=kept * config.filter.responses,
        prompt=prompt,
        new=known["response_tokens"],
        limit=config.response_sampling.max_new_tokens,
        shared=shared,
        a_call=CHUNK * each,
        each=each,
    )


def _judged(asked: bool, count: float, tokens: float) -> list[Piece]:
    if not asked:
        return []
    return [Generation(requests=count, prompt=tokens + JUDGE_WORDS, new=_GRADE, limit=8)]


def _response_filter(config: RunConfig, kept: float, known: Mapping[str, float]) -> list[Piece]:
    tokens = known["instruction_tokens"] + known["response_tokens"]
    pieces = _judged(config.filter.judge_responses, kept, tokens)
    pieces.append(Wait(seconds=_RECORD_S * kept))
    voted = config.filter.consistency and config.responder != "solver"
    if voted or config.suite in RUNS_RESPONSES:
        pieces.append(_programs(config, kept * config.filter.responses, known))
    return pieces


UNSOLVED = frozenset({"livecodebench"})
"""Suites that have no canonical solutions to run."""
RUNS_RESPONSES = frozenset({"livecodebench-execution", "cruxeval"})
"""Suites whose instructions hold their own truth, so that responses are run."""


def _tuning(config: RunConfig, known: Mapping[str, float]) -> Piece:
    tune = config.finetune
    tokens = known["instruction_tokens"] + known["response_tokens"] + 2 * _TURN
    return LoraSteps(
        steps=tune.steps,
        batch=tune.batch_size,
        micro=tune.micro_batch_size or tune.batch_size,
        tokens=min(tokens, tune.max_tokens),
        checkpointing=tune.gradient_checkpointing,
    )


def _evaluation(config: RunConfig, known: Mapping[str, float]) -> list[Piece]:
    tries = known["problems"] * config.evaluate.samples
    solving = Generation(
        requests=tries,
        prompt=known["problem_tokens"] + _TURN,
        new=known["solution_tokens"],
        limit=config.evaluate.token_limit(),
        a_call=CHUNK,
        each=config.evaluate.samples,
    )
    return [solving, _programs(config, tries, known)]


def _programs(config: RunConfig, count: float, known: Mapping[str, float]) -> Piece:
    return Programs(count=count, each_s=known["program_s"], workers=config.sandbox.workers)
