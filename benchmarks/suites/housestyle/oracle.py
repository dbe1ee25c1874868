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
    """Count the shown slots whose line in the house's program stands in the response.

    A slot is told from its neighbours by the lines that change when only this slot changes.
    """
    have = {line.strip() for line in response.splitlines()}
    return sum(_own_lines(task, slot, house) <= have for slot in slots_of(task))


def _own_lines(task: Task, slot: str, house: House) -> set[str]:
    """Return the lines of the house's program that no other value of the slot would write."""
    lines = {line.strip() for line in solution(task, house).splitlines()}
    for other in alternatives(task, house):
        if other.values[slot] != house.values[slot]:
            lines -= {line.strip() for line in solution(task, other).splitlines()}
    return lines


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
