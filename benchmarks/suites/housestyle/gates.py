"""What the backbone must be able to do before a synthesis method has something to win or lose.

A response counts where its code is the house's, up to formatting; decoding is greedy.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.suites.housestyle.conventions import GENERIC, SLOTS, House, marker
from benchmarks.suites.housestyle.domains import DOMAINS, tasks
from benchmarks.suites.housestyle.grammar import (
    RETURNS,
    Mix,
    Task,
    instruction,
    same_code,
    solution,
)
from benchmarks.suites.housestyle.mixtures import COMMON
from domino.engines.base import Message, Request
from domino.records import Sampling, derive_seed

if TYPE_CHECKING:
    from domino.engines.base import Engine

GENERIC_AT_LEAST = 0.90
ZERO_SHOT_AT_MOST = 0.10
HEADER_AT_LEAST = 0.85
EXAMPLES_GAIN_AT_LEAST = 0.30
EXAMPLES = 4
USUAL_LENGTHS = {1: 1.0, 2: 1.0, 3: 1.0}
SAMPLING = Sampling(temperature=0.0, max_new_tokens=256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """Shares of solved tasks: on generic conventions, and for each domain in three contexts."""

    generic: float
    zero_shot: Mapping[str, float]
    header: Mapping[str, float]
    examples: Mapping[str, float]

    def failures(self) -> list[str]:
        """Return one line for each gate that does not hold."""
        found = []
        if self.generic < GENERIC_AT_LEAST:
            found.append(f"generic conventions {self.generic:.0%}, at least {GENERIC_AT_LEAST:.0%}")
        for name, zero in self.zero_shot.items():
            if zero > ZERO_SHOT_AT_MOST:
                found.append(f"{name} zero-shot {zero:.0%}, at most {ZERO_SHOT_AT_MOST:.0%}")
            if self.header[name] < HEADER_AT_LEAST:
                found.append(
                    f"{name} with its header {self.header[name]:.0%}, at least "
                    f"{HEADER_AT_LEAST:.0%}"
                )
            if self.examples[name] < zero + EXAMPLES_GAIN_AT_LEAST:
                found.append(
                    f"{name} with {EXAMPLES} examples {self.examples[name]:.0%}, at least "
                    f"{EXAMPLES_GAIN_AT_LEAST:.0%} above zero-shot {zero:.0%}"
                )
        return found


def measure(engine: Engine, *, count: int = 64, seed: int = 0) -> Capabilities:
    """Measure an engine of the backbone on `count` tasks for each figure."""
    zero: dict[str, float] = {}
    header: dict[str, float] = {}
    examples: dict[str, float] = {}
    for name, domain in DOMAINS.items():
        house = domain.house("conventions")
        asked = tasks(name, "conventions", "development")[:count]
        shown = tasks(name, "conventions", "references")[:EXAMPLES]
        rng = random.Random(derive_seed(seed, name))
        context = [turn for task in shown for turn in _turns(task, house, rng)]
        zero[name] = _share(engine, asked, house, rng)
        header[name] = _share(engine, asked, house, rng, before=full_header(house, rng))
        examples[name] = _share(engine, asked, house, rng, context=context)
    rng = random.Random(derive_seed(seed, "generic"))
    mix = Mix(COMMON, USUAL_LENGTHS, dict.fromkeys(RETURNS, 1.0))
    generic = [mix.sample(rng) for _ in range(2 * count)]
    return Capabilities(
        generic=_share(engine, generic, GENERIC, rng),
        zero_shot=zero,
        header=header,
        examples=examples,
    )


def full_header(house: House, rng: random.Random) -> str:
    """Return a repository header with all of a house's markers, in random order."""
    order = list(SLOTS)
    rng.shuffle(order)
    return "".join(marker(slot, house.values[slot]) for slot in order)


def _turns(task: Task, house: House, rng: random.Random) -> list[Message]:
    return [
        {"role": "user", "content": instruction(task, rng)},
        {"role": "assistant", "content": solution(task, house)},
    ]


def _share(
    engine: Engine,
    asked: Sequence[Task],
    house: House,
    rng: random.Random,
    *,
    before: str = "",
    context: Sequence[Message] = (),
) -> float:
    prompts = [
        before + engine.render([*context, {"role": "user", "content": instruction(task, rng)}])
        for task in asked
    ]
    requests = [Request(prompt=prompt, seed=seed) for seed, prompt in enumerate(prompts)]
    answers = engine.generate(requests, SAMPLING)
    right = (
        same_code(answer.text, solution(task, house))
        for task, answer in zip(asked, answers, strict=True)
    )
    return sum(right) / len(asked)
