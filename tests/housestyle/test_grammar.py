"""The grammar and its inverse hold together, and code follows conventions."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suites.housestyle.conventions import GENERIC, SLOTS, differences, houses
from benchmarks.suites.housestyle.grammar import (
    HEADS,
    OPERATIONS,
    REMARKS,
    RETURNS,
    Mix,
    Step,
    Task,
    alternatives,
    instruction,
    parse,
    random_step,
    same_code,
    slots_of,
    solution,
)
from benchmarks.suites.housestyle.problems import outputs

LENGTHS = {1: 1.0, 2: 1.0, 5: 1.0, 8: 1.0}
UNIFORM = Mix(dict.fromkeys(OPERATIONS, 1.0), LENGTHS, dict.fromkeys(RETURNS, 1.0))
seeds = st.integers(0, 2**40)


@given(seeds)
def test_parsing_an_instruction_gives_its_task_back_whatever_the_wording(seed: int) -> None:
    rng = random.Random(seed)
    task = UNIFORM.sample(rng)
    assert parse(instruction(task, rng)) == task


@given(seeds, st.sampled_from([*REMARKS, "Mind that `xs[2:]` is wrong."]))
def test_remarks_do_not_change_the_task(seed: int, remark: str) -> None:
    rng = random.Random(seed)
    task = UNIFORM.sample(rng)
    assert parse(instruction(task, rng, remark)) == task


@given(seeds, seeds)
def test_two_wordings_of_different_tasks_are_never_the_same_text(first: int, second: int) -> None:
    a, b = UNIFORM.sample(random.Random(first)), UNIFORM.sample(random.Random(second))
    if a.key != b.key:
        assert instruction(a, random.Random(first)) != instruction(b, random.Random(first))


@given(st.text())
def test_parsing_any_text_gives_none_or_a_task_that_can_be_worded(text: str) -> None:
    task = parse(text)
    assert task is None or parse(instruction(task)) == task


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sort the numbers.",
        HEADS[0] + "sort the numbers.",
        HEADS[0] + "sort the numbers, and return the list",
        HEADS[0] + "sort the numbers, then, and return the list.",
        HEADS[0] + "sort the words, and return the list.",
        HEADS[0] + "keep the numbers above 1000, and return the list.",
    ],
)
def test_what_is_no_task_parses_to_none(text: str) -> None:
    assert parse(text) is None


@given(seeds)
def test_solutions_run_on_every_house_and_empty_input_returns_the_house_s_value(seed: int) -> None:
    rng = random.Random(seed)
    task, house = UNIFORM.sample(rng), rng.choice(houses())
    shown = outputs(solution(task, house), [[], [3], [5, -2, 5, 0, 130]])
    assert shown[0] == house.code("empty")
    assert not any(text.startswith("raises") for text in shown)


@pytest.mark.parametrize("slot", SLOTS)
def test_every_convention_changes_the_answer_of_some_program(slot: str) -> None:
    rng = random.Random(0)
    step = random_step(slot, rng) if slot in OPERATIONS else Step("times", (2,))
    returns = slot if slot in RETURNS else "sum" if slot == "scalar" else "list"
    task = Task((step,), returns)
    assert slot in slots_of(task)
    inputs = [[rng.randint(-90, 120) for _ in range(9)] * 2 for _ in range(40)]
    inputs += [[], [0, 6, 6, 12, 30, 17], *([n] * 2 for n in range(-5, 70))]
    right = outputs(solution(task, GENERIC), inputs)
    others = [h for h in alternatives(task, GENERIC) if h.values[slot] != GENERIC.values[slot]]
    assert len(others) == len(SLOTS[slot]) - 1
    assert all(outputs(solution(task, other), inputs) != right for other in others)


def test_houses_are_hundreds_distinct_and_correlated_between_slots() -> None:
    values = [tuple(house.values.values()) for house in houses()]
    assert len(set(values)) == len(values) >= 200
    assert len(SLOTS) >= 20
    pairs = [(a, b) for a in houses()[:60] for b in houses()[60:120]]
    distances = sorted(differences(a, b) for a, b in pairs)
    # Independent slots would put nearly all pairs near the mean; families make close pairs.
    assert distances[len(distances) // 50] <= 0.6 * distances[len(distances) // 2]


def test_same_code_ignores_formatting_and_survives_what_is_no_code() -> None:
    assert same_code("def f(x):\n    return x+1", "def f(x):\n  return x + 1  # one more")
    assert not same_code("def f(x):\n    return x", "def f(x):\n    return -x")
    assert not same_code("def f(x:", "def f(x:")
    assert not same_code("\0", "\0")
