"""Exact facts about synthetic data: possible because the universe is known.

These measure; they never filter, so that no method gains by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks.suites.housestyle.conventions import House
from benchmarks.suites.housestyle.domains import DomainSpec, Track
from benchmarks.suites.housestyle.grammar import (
    Task,
    alternatives,
    parse,
    same_code,
    slots_of,
    solution,
)


def facts(
    instruction: str,
    response: str | None,
    domain: DomainSpec,
    track: Track,
    reference_keys: frozenset[str],
) -> dict[str, Any]:
    """Return what is true of a pair.

    Keys: `valid` (the instruction words a task of the universe), `in_domain` (only operations and
    a return form of the domain), `copy` (the program of a reference), `steps`, and, with a
    response, `aligned` (its code is the house's, up to formatting) and `slots_followed` of `slots`.
    """
    task = parse(instruction)
    if task is None:
        return {"valid": False, "in_domain": False, "copy": False, "aligned": False}
    found: dict[str, Any] = {
        "valid": True,
        "in_domain": in_domain(task, domain),
        "copy": task.key in reference_keys,
        "steps": len(task.steps),
    }
    if response is not None:
        house = domain.house(track)
        found["aligned"] = same_code(response, solution(task, house))
        found["slots_followed"] = slots_followed(task, response, house)
        found["slots"] = len(slots_of(task))
    return found


def in_domain(task: Task, domain: DomainSpec) -> bool:
    """Whether a task is made of nothing but the domain's operations and return forms."""
    return task.returns in domain.returns and all(
        step.operation in domain.operations for step in task.steps
    )


def slots_followed(task: Task, response: str, house: House) -> int:
    """Count the shown slots whose lines stand in the response, and no other value's do.

    Two slots that meet in one line (the form of a number and how an average is taken) stand or
    fall together.
    """
    have = _lines(response)
    followed = 0
    for slot in slots_of(task):
        own, foreign = _telling_lines(task, slot, house)
        followed += own <= have and not foreign & have
    return followed


def _telling_lines(task: Task, slot: str, house: House) -> tuple[set[str], set[str]]:
    """Return the lines that only the house's value of the slot writes, and only other values."""
    right = _lines(solution(task, house))
    others = [
        _lines(solution(task, other))
        for other in alternatives(task, house)
        if other.values[slot] != house.values[slot]
    ]
    return right.difference(*others), set().union(*others) - right


def _lines(code: str) -> set[str]:
    return {line.strip() for line in code.splitlines()}


def coverage(instructions: Sequence[str], domain: DomainSpec) -> float:
    """Return the probability, under the domain's mix, of the transitions that the tasks cover.

    The support is counted over transitions between neighbouring operations: programs themselves
    are too many for any sample to cover.
    """
    seen = {
        (first.operation, second.operation)
        for task in map(parse, instructions)
        if task is not None
        for first, second in pairwise(task.steps)
    }
    return sum(share for transition, share in _transitions(domain).items() if transition in seen)


def _transitions(domain: DomainSpec) -> dict[tuple[str, str], float]:
    """Return the share of each transition in long chains, where none repeats its operation."""
    total = sum(domain.operations.values())
    raw = {
        (first, second): weight * other / (total - weight)
        for first, weight in domain.operations.items()
        for second, other in domain.operations.items()
        if first != second
    }
    return {transition: share / sum(raw.values()) for transition, share in raw.items()}
