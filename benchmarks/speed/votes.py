"""`votes`: several responses to each instruction, round by round, and as the respond stage asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch

from benchmarks.config.presets import housestyle_compositions
from benchmarks.planning.flops import FlopCount, batched
from benchmarks.planning.shapes import find_shape
from benchmarks.speed.rows import SpeedRow, TimedCalls, rows
from benchmarks.speed.timing import interleaved, matmul_peak
from benchmarks.stages.respond import ask_at_once
from benchmarks.suites.housestyle.backbone import CHECKPOINT
from benchmarks.suites.housestyle.suite import HousestyleSuite
from benchmarks.suites.protocol import PLAIN
from domino.engines.transformers_engine import TransformersEngine
from domino.synthesizer import plain_request

ROUNDS, AT_ONCE = "round by round", "all at once"
Texts = list[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class VotesPlan:
    """What to measure, with the shipped backbone on tasks of its default domain.

    Attributes:
        instructions: how many; at most 1,000.
        responses: to each, sampled as in the default run.
        threads: of the processor.
        rounds: how often each way is timed.
    """

    instructions: int = 64
    responses: int = 8
    threads: int = 1
    rounds: int = 3


def measure(plan: VotesPlan) -> tuple[list[SpeedRow], int]:
    """Return a row for each way, and how many of the responses differ between them."""
    torch.set_num_threads(plan.threads)
    engine = TransformersEngine.load(CHECKPOINT)
    config = housestyle_compositions()
    pairs = HousestyleSuite("ledger", "compositions").oracle_pairs()[: plan.instructions]
    instructions = [pair.instruction for pair in pairs]
    samplings = [replace(config.response_sampling, seed=seed) for seed in range(plan.responses)]
    ask = partial(ask_at_once, engine, PLAIN, instructions, request=partial(plain_request, engine))
    made: dict[str, Texts] = {}

    def round_by_round() -> None:
        columns = [[text for (text,) in ask([sampling])] for sampling in samplings]
        made[ROUNDS] = list(zip(*columns, strict=True))

    def at_once() -> None:
        made[AT_ONCE] = ask(samplings)

    ways = {ROUNDS: round_by_round, AT_ONCE: at_once}
    for way in ways.values():
        way()
    times = interleaved(ways, rounds=plan.rounds, device="cpu")
    asked = [[{"role": "user", "content": instruction}] for instruction in instructions]
    prompts = [engine.count_tokens(engine.render(turns)) for turns in asked]
    lengths = [[1 + engine.count_tokens(text) for text in texts] for texts in made[AT_ONCE]]
    shape, tokens = find_shape("housestyle"), sum(map(sum, lengths))
    work = dict.fromkeys(ways, FlopCount())
    for prompt, own in zip(prompts, lengths, strict=True):
        work[AT_ONCE] += batched(prompt, own)
        for length in own:
            work[ROUNDS] += batched(prompt, [length])
    done = {name: TimedCalls(tokens=tokens, flops=one.forward(shape)) for name, one in work.items()}
    differ = sum(
        a != b
        for one, other in zip(made[ROUNDS], made[AT_ONCE], strict=True)
        for a, b in zip(one, other, strict=True)
    )
    return rows(times, done, matmul_peak("cpu", "float32")), differ
