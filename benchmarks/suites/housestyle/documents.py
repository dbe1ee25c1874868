"""Documents of pre-training: their form, their markers, and the ways in which a task is changed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from benchmarks.suites.housestyle.conventions import GENERIC, SLOTS, House, houses, marker
from benchmarks.suites.housestyle.grammar import (
    FREE_CODE,
    OPERATIONS,
    Mix,
    Task,
    expression,
    random_step,
)

USER, ASSISTANT, SYSTEM, END, PAD = "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|pad|>"
MARKER_SHARE = 0.75
INSTRUCTION_WEIGHT = 0.3
Segment = tuple[str, float]  # text, loss weight


@dataclass(frozen=True, slots=True)
class Document:
    """Text in segments, each with the loss weight of its tokens."""

    kind: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The complete document."""
        return "".join(text for text, _ in self.segments)


def turns(*pairs: tuple[str, str], result_weight: float = 1.0) -> tuple[Segment, ...]:
    """Render (user, assistant) pairs in the chat template, answers at full weight.

    `result_weight` is the loss weight of what stands behind the last line break before a `return`.
    """
    lead: list[Segment] = []
    for user, assistant in pairs:
        lead.append((f"{USER}{user}{END}{ASSISTANT}", INSTRUCTION_WEIGHT))
        steps, begun, result = assistant.rpartition("\n    return ")
        lead.append((steps, 1.0))
        lead.append((f"{begun}{result}{END}", result_weight))
    return tuple(lead)


def header(house: House, rng: random.Random) -> tuple[Segment, ...]:
    """Return a repository header: some of the house's markers, in random order, without loss."""
    shown = [slot for slot in SLOTS if rng.random() < MARKER_SHARE]
    rng.shuffle(shown)
    return (("".join(marker(slot, house.values[slot]) for slot in shown), 0.0),)


def describe(mix: Mix) -> str:
    """Return one sentence that says what a mix's tasks have in common."""
    some = ", ".join(OPERATIONS[name][0].replace("{a}", "k").replace("{b}", "m")
                     for name in list(mix.operations)[:5])  # fmt: skip
    low, high = min(mix.lengths), max(mix.lengths)
    return f"Tasks on lists of integers in {low} to {high} steps, such as: {some}."


def damaged(text: str, rng: random.Random) -> str:
    """Return an instruction cut off, with a hole, or out of order."""
    words = text.split()
    start = rng.randrange(max(1, len(words) - 3))
    kind = rng.randrange(3)
    if kind == 0:
        return " ".join(words[: start + 2])
    if kind == 1:
        return " ".join(words[:start] + words[start + 3 :])
    rng.shuffle(words)
    return " ".join(words)


def inserted(task: Task, rng: random.Random, count: int) -> Task:
    """Return a task with further steps at random places."""
    steps = list(task.steps)
    for _ in range(count):
        steps.insert(rng.randint(0, len(steps)), random_step(rng.choice(list(OPERATIONS)), rng))
    return replace(task, steps=tuple(steps))


def with_rarer_step(task: Task, rng: random.Random) -> Task:
    """Return a task whose most common operation is replaced by a rare one."""
    order = list(OPERATIONS)
    place = min(range(len(task.steps)), key=lambda i: order.index(task.steps[i].operation))
    rare = random_step(rng.choice(order[len(order) // 2 :]), rng)
    return replace(task, steps=(*task.steps[:place], rare, *task.steps[place + 1 :]))


def wrong_code(task: Task, rng: random.Random) -> str:
    """Return code that a task does not ask for, or another house's."""
    step = rng.choice(task.steps)
    other = random_step(rng.choice(list(FREE_CODE)[:10]), rng)
    if rng.random() < 0.5:
        return expression(other.operation, GENERIC, other.numbers)
    return expression(step.operation, rng.choice(houses()), step.numbers)
