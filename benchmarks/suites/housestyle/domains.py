"""The named domains: a mix of operations, chain lengths, and one hidden house each.

References, development and test problems of a domain and track are disjoint by program, and the
pre-training corpus leaves out every program that occurs in them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from benchmarks.suites.housestyle.conventions import GENERIC, House, differences, houses
from benchmarks.suites.housestyle.grammar import Mix, Task
from benchmarks.suites.housestyle.problems import informative
from domino.records import derive_seed

Track = Literal["compositions", "conventions"]
Part = Literal["references", "development", "test", "oracle"]

SIZES: Mapping[Part, int] = {"references": 64, "development": 64, "test": 128, "oracle": 1000}
LENGTHS: Mapping[Track, Mapping[int, float]] = {
    "compositions": {6: 1.0, 7: 1.0, 8: 1.0},
    "conventions": {1: 1.0, 2: 2.0, 3: 2.0},
}
MIN_DIFFERENCES = 14  # of a target house from the generic one
MIN_DISTANCE = 11  # between two target houses


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """A domain: what its tasks are made of, and which house it follows."""

    name: str
    operations: Mapping[str, float]
    returns: Mapping[str, float]

    def mix(self, track: Track) -> Mix:
        """Return the distribution of the domain's tasks in a track."""
        return Mix(self.operations, LENGTHS[track], self.returns)

    def house(self, track: Track) -> House:
        """Return the conventions that the domain's solutions follow in a track."""
        return GENERIC if track == "compositions" else _target_houses()[self.name]


def _even(names: str) -> dict[str, float]:
    return dict.fromkeys(names.split(), 1.0)


DOMAINS: Mapping[str, DomainSpec] = {
    spec.name: spec
    for spec in (
        DomainSpec(
            "ledger",
            _even("between remainder divide running differences limit pairs sort unique first "
                  "above add without rotate"),
            _even("list sum average spread largest"),
        ),
        DomainSpec(
            "sensor",
            _even("every places limit differences running absolute below above remainder skip "
                  "times last unique"),
            _even("list average median spread smallest"),
        ),
        DomainSpec(
            "ranking",
            _even("sort unique first last rotate reverse multiples above between pairs divide "
                  "even skip"),
            _even("list mode median largest count"),
        ),
        DomainSpec(
            "calendar",
            _even("remainder divide rotate every between multiples places differences add "
                  "without sort last negate"),
            _even("list count mode sum median"),
        ),
        DomainSpec(
            "stock",
            _even("below limit pairs running multiples unique divide square odd first sort "
                  "every above"),
            _even("list sum average mode smallest"),
        ),
    )
}  # fmt: skip


@cache
def _target_houses() -> Mapping[str, House]:
    """Choose one house a domain: far from generic and from each other, hidden in every program."""
    chosen: list[House] = []
    for house in houses():
        hidden = all(house.values[slot] != GENERIC.values[slot] for slot in ("clean", "empty"))
        far = all(differences(house, other) >= MIN_DISTANCE for other in chosen)
        if hidden and far and differences(house, GENERIC) >= MIN_DIFFERENCES:
            chosen.append(house)
    return dict(zip(DOMAINS, chosen[: len(DOMAINS)], strict=True))


def tasks(domain: str, track: Track, part: Part) -> tuple[Task, ...]:
    """Return one part of the domain's tasks; parts are disjoint by program."""
    names = list(SIZES)
    before = sum(SIZES[name] for name in names[: names.index(part)])
    return _drawn(domain, track, before + SIZES[part])[before:]


@cache
def _drawn(domain: str, track: Track, count: int) -> tuple[Task, ...]:
    """Draw distinct informative tasks; a longer draw begins with the shorter one."""
    mix = DOMAINS[domain].mix(track)
    rng = random.Random(derive_seed(0, "housestyle", domain, track))
    seen: dict[str, Task] = {}
    while len(seen) < count:
        task = mix.sample(rng)
        if task.key not in seen and informative(task):
            seen[task.key] = task
    return tuple(seen.values())


@cache
def reserved_keys() -> frozenset[str]:
    """Return the keys of all programs that pre-training must not show."""
    parts: tuple[Part, ...] = ("references", "development", "test")
    return frozenset(
        task.key
        for domain in DOMAINS
        for track in LENGTHS
        for part in parts
        for task in tasks(domain, track, part)
    )
