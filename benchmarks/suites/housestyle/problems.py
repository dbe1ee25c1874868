"""Problems in EvalPlus's schema, with inputs that tell the house's conventions from the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.suites.housestyle.conventions import GENERIC, House
from benchmarks.suites.housestyle.grammar import (
    ENTRY_POINT,
    PLAIN,
    Task,
    Wording,
    alternatives,
    instruction,
    solution,
)
from domino.records import Problem, derive_seed, stable_id

BASE_INPUTS = 5
PLUS_INPUTS = 16
CANDIDATES = 60
BEHAVIOUR_INPUTS = 12
PROBES = 12
TELLING_PROBES = 6  # a task is informative with at least this many different answers


def random_input(rng: random.Random, numbers: Sequence[int] = ()) -> list[int]:
    """Draw a list: small, negative, repeated and large values, and the task's own numbers."""
    pool = [*range(-12, 13), *numbers, *(n + 1 for n in numbers), *(-n for n in numbers)]
    length = rng.choice((2, 4, 8, 10, 12, 14, 16))
    values = [rng.choice(pool) for _ in range(length)]
    if rng.random() < 0.4:
        values += [rng.randint(40, 160) for _ in range(3)]
        rng.shuffle(values)
    return values


def make_problem(
    task: Task, house: House, seed: int, identity: str, wording: Wording = PLAIN
) -> Problem:
    """Word a task as a problem: its inputs exercise every convention that its program shows.

    For each alternative value of each of those slots an input is kept on which it answers
    differently, wherever one of the candidate inputs does.
    """
    rng = random.Random(derive_seed(seed, "problem", task.key))
    numbers = [n for step in task.steps for n in step.numbers]
    candidates = [[], *(random_input(rng, numbers) for _ in range(CANDIDATES - 1))]
    chosen = telling_inputs(task, house, candidates)
    rest = [values for values in candidates if values not in chosen]
    inputs = (chosen + rest)[: BASE_INPUTS + PLUS_INPUTS]
    return Problem(
        id=identity,
        prompt=instruction(task, rng, wording=wording),
        entry_point=ENTRY_POINT,
        canonical_solution=solution(task, house),
        base_inputs=[[values] for values in inputs[:BASE_INPUTS]],
        plus_inputs=[[values] for values in inputs[BASE_INPUTS:]],
        meta={"comparison": "exact", "program": task.key},
    )


def informative(task: Task) -> bool:
    """Whether a task's answers differ from input to input: chains of filters may leave nothing."""
    rng = random.Random(derive_seed(0, "probe", task.key))
    numbers = [n for step in task.steps for n in step.numbers]
    probes = [random_input(rng, numbers) for _ in range(PROBES)]
    return len(set(outputs(solution(task, GENERIC), probes))) >= TELLING_PROBES


def telling_inputs(task: Task, house: House, candidates: Sequence[list[int]]) -> list[list[int]]:
    """Return candidates on which alternatives answer differently, few but enough for each."""
    right = outputs(solution(task, house), candidates)
    told: list[set[int]] = [set() for _ in candidates]  # alternatives that an input distinguishes
    for number, other in enumerate(alternatives(task, house)):
        for index, value in enumerate(outputs(solution(task, other), candidates)):
            if value != right[index]:
                told[index].add(number)
    chosen: list[int] = [0]
    left = set().union(*told) - told[0]
    while left and len(chosen) < BASE_INPUTS + PLUS_INPUTS:
        best = max(range(len(candidates)), key=lambda i: (len(told[i] & left), -i))
        chosen.append(best)
        left -= told[best]
    return [candidates[index] for index in chosen]


def outputs(code: str, inputs: Sequence[list[int]]) -> list[str]:
    """Run a program that the grammar wrote (never a model's) and return what it shows by type."""
    scope: dict[str, Any] = {}
    exec(compile(code, "<housestyle>", "exec"), scope)
    solve: Callable[[list[int]], Any] = scope[ENTRY_POINT]
    return [_shown(solve, values) for values in inputs]


def _shown(solve: Callable[[list[int]], Any], values: list[int]) -> str:
    try:
        return repr(solve(list(values)))
    except (ArithmeticError, ValueError, IndexError, TypeError) as error:
        return f"raises {type(error).__name__}"


def behaviour_problem(text: str, seed: int) -> Problem:
    """Return random inputs for any instruction: nothing of its meaning is used."""
    rng = random.Random(derive_seed(seed, "behaviour", text))
    digits = [int(word) for word in "".join(c if c.isdigit() else " " for c in text).split()]
    drawn = [random_input(rng, [n for n in digits if n < 1000]) for _ in range(BEHAVIOUR_INPUTS)]
    return Problem(
        id=stable_id("behaviour", seed, text),
        prompt=text,
        entry_point=ENTRY_POINT,
        canonical_solution="",
        base_inputs=[[values] for values in [[], *drawn]],
        plus_inputs=[],
        meta={"comparison": "exact"},
    )
