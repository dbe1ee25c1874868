"""The domains of the track: a dialect each, and how often its terms, lengths and results occur.

Five are for claims, and `stock` is for tuning. A domain's tasks are programs that pre-training
never shows in any wording. Which these are, and which part of a domain they can be in, a rule says
that knows nothing of the domains: parts are disjoint, and domains can change without another
pre-training.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from benchmarks.suites.housestyle.dialects.wording import dialects, theme_of
from benchmarks.suites.housestyle.grammar import OPERATIONS, Mix, Task, Wording
from benchmarks.suites.housestyle.problems import informative
from domino.records import derive_seed

Part = Literal["references", "development", "test", "ceiling"]

SIZES: Mapping[Part, int] = {"references": 256, "development": 128, "test": 1024, "ceiling": 1200}
WITHHELD_ONE_IN = 8


def is_withheld(task: Task) -> bool:
    """Whether pre-training leaves a program out: one in eight of those with two steps or more."""
    return part_of(task) is not None


def part_of(task: Task) -> Part | None:
    """Return the part of a domain that a program can be in; None where pre-training shows it."""
    if len(task.steps) < 2:
        return None
    drawn, left = divmod(derive_seed(0, "withheld", task.key), WITHHELD_ONE_IN)
    return None if left else list(SIZES)[drawn % len(SIZES)]


@dataclass(frozen=True, slots=True)
class DialectDomain:
    """A domain: a dialect, and what its tasks are like.

    Attributes:
        name: of the domain and of its dialect.
        operations: how many of the universe's operations occur.
        skew: 0 for operations that are all as frequent; the k-th has the weight (k + 1)^-skew.
        lengths: how often each number of steps occurs.
        returns: the return forms, all as frequent.
    """

    name: str
    operations: int
    skew: float
    lengths: Mapping[int, float]
    returns: str

    @property
    def dialect(self) -> Wording:
        """The dialect of the domain's instructions."""
        return dialects()[self.name]

    @property
    def mix(self) -> Mix:
        """The distribution of the domain's tasks."""
        rng = random.Random(derive_seed(0, "dialect domain", self.name))
        names = rng.sample(list(OPERATIONS), self.operations)
        weights = {name: (rank + 1) ** -self.skew for rank, name in enumerate(names)}
        return Mix(weights, self.lengths, dict.fromkeys(self.returns.split(), 1.0))


DOMAINS: Mapping[str, DialectDomain] = {
    domain.name: domain
    for domain in (
        DialectDomain("ledger", 27, 0.0, {2: 1, 3: 1, 4: 1}, "list sum average spread largest"),
        DialectDomain("sensor", 27, 0.5, {2: 1, 3: 1, 4: 1}, "list average median spread smallest"),
        DialectDomain("ranking", 24, 0.0, {2: 1, 3: 1}, "list mode median largest count"),
        DialectDomain("calendar", 27, 0.3, {2: 2, 3: 2, 4: 1}, "list count mode sum median"),
        DialectDomain("harbour", 22, 0.3, {2: 1, 3: 2, 4: 1}, "list sum count smallest average"),
        DialectDomain("stock", 25, 0.3, {2: 1, 3: 1, 4: 1}, "list sum average mode smallest"),
    )
}


def describe(dialect: Wording, mix: Mix) -> str:
    """Return one sentence that says what tasks in a dialect have in common."""
    theme = theme_of(dialect)
    nouns = ", ".join(theme.nouns)
    low, high = min(mix.lengths), max(mix.lengths)
    return (
        f"Tasks on lists of integers in {low} to {high} steps, in the words of {theme.words}: "
        f"{nouns}."
    )


@cache
def tasks(domain: str, part: Part) -> tuple[Task, ...]:
    """Return one part of a domain's tasks; parts are disjoint by program."""
    rng = random.Random(derive_seed(0, "housestyle", "dialects", domain, part))
    return draw(DOMAINS[domain].mix, SIZES[part], part, rng)


def draw(mix: Mix, count: int, part: Part, rng: random.Random) -> tuple[Task, ...]:
    """Draw distinct informative tasks of a mix that can be in a part."""
    seen: dict[str, Task] = {}
    while len(seen) < count:
        task = mix.sample(rng)
        if task.key not in seen and part_of(task) == part and informative(task):
            seen[task.key] = task
    return tuple(seen.values())
