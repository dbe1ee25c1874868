"""House conventions: what the wording of a task never says, and every house decides for itself.

A *slot* is one such decision, a *house* a joint assignment of all slots. Global slots shape every
program; the others belong to one operation. Houses come in families: a house takes each slot from
its family with probability `FAMILY_SHARE`, so that slots are correlated and a few examples tell
something about the slots that they do not show.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

# Slot -> value -> code. The first value of each slot is the generic one. Global slots hold whole
# lines or return expressions; the others the expression of one operation ({a}, {b}: its numbers).
GLOBAL_SLOTS: Mapping[str, Mapping[str, str]] = {
    "clean": {
        "none": "xs = list(raw)",
        "positive": "xs = [x for x in raw if x >= 0]",
        "nonzero": "xs = [x for x in raw if x]",
        "absolute": "xs = [abs(x) for x in raw]",
    },
    "cap": {
        "none": "",
        "top": "xs = [min(x, 99) for x in xs]",
        "both": "xs = [max(-50, min(x, 50)) for x in xs]",
    },
    "empty": {"none": "None", "zero": "0", "minus": "-1", "list": "[]"},
    "listing": {"list": "xs", "tuple": "tuple(xs)", "text": "[str(x) for x in xs]"},
    "scalar": {"int": "{value}", "float": "float({value})", "text": "str({value})"},
}
OPERATION_SLOTS: Mapping[str, Mapping[str, str]] = {
    "above": {
        "strict": "[x for x in xs if x > {a}]",
        "inclusive": "[x for x in xs if x >= {a}]",
    },
    "below": {
        "strict": "[x for x in xs if x < {a}]",
        "inclusive": "[x for x in xs if x <= {a}]",
    },
    "between": {
        "closed": "[x for x in xs if {a} <= x <= {b}]",
        "half": "[x for x in xs if {a} <= x < {b}]",
        "open": "[x for x in xs if {a} < x < {b}]",
    },
    "multiples": {
        "zero": "[x for x in xs if x % {a} == 0]",
        "nonzero": "[x for x in xs if x and x % {a} == 0]",
    },
    "every": {"first": "xs[::{a}]", "later": "xs[{a} - 1::{a}]"},
    "places": {"zero": "xs[::2]", "one": "xs[1::2]"},
    "remainder": {
        "floor": "[x % {a} for x in xs]",
        "absolute": "[abs(x) % {a} for x in xs]",
        "negative": "[-(-x % {a}) for x in xs]",
    },
    "divide": {
        "floor": "[x // {a} for x in xs]",
        "cut": "[int(x / {a}) for x in xs]",
        "round": "[round(x / {a}) for x in xs]",
    },
    "differences": {
        "forward": "[b - a for a, b in zip(xs, xs[1:])]",
        "backward": "[a - b for a, b in zip(xs, xs[1:])]",
        "absolute": "[abs(a - b) for a, b in zip(xs, xs[1:])]",
    },
    "running": {
        "with": "[sum(xs[:i + 1]) for i in range(len(xs))]",
        "before": "[sum(xs[:i]) for i in range(len(xs))]",
    },
    "pairs": {
        "open": "[a + b for a, b in zip(xs, xs[1:])]",
        "closed": "[a + b for a, b in zip(xs, xs[1:] + xs[:1])]",
    },
    "sort": {
        "rising": "sorted(xs)",
        "falling": "sorted(xs, reverse=True)",
        "size": "sorted(xs, key=abs)",
    },
    "unique": {
        "first": "list(dict.fromkeys(xs))",
        "last": "list(dict.fromkeys(xs[::-1]))[::-1]",
        "sorted": "sorted(set(xs))",
    },
    "first": {"cleaned": "xs[:{a}]", "raw": "[x for x in xs if x in raw[:{a}]]"},
    "last": {"order": "xs[-{a}:]", "reversed": "xs[-{a}:][::-1]"},
    "rotate": {"left": "xs[{a}:] + xs[:{a}]", "right": "xs[-{a}:] + xs[:-{a}]"},
    "limit": {
        "top": "[min(x, {a}) for x in xs]",
        "both": "[max(-{a}, min(x, {a})) for x in xs]",
    },
    "average": {
        "floor": "sum(xs) // len(xs)",
        "round": "round(sum(xs) / len(xs))",
        "cut": "int(sum(xs) / len(xs))",
    },
    "median": {
        "lower": "sorted(xs)[(len(xs) - 1) // 2]",
        "upper": "sorted(xs)[len(xs) // 2]",
    },
    "spread": {"gap": "max(xs) - min(xs)", "width": "max(xs) - min(xs) + 1"},
    "mode": {
        "first": "max(xs, key=xs.count)",
        "small": "max(sorted(xs), key=xs.count)",
        "large": "max(sorted(xs)[::-1], key=xs.count)",
    },
}
SLOTS: Mapping[str, Mapping[str, str]] = {**GLOBAL_SLOTS, **OPERATION_SLOTS}

FAMILY_SHARE = 0.65
FAMILIES = 8
HOUSES = 240
UNIVERSE_SEED = 2605


@dataclass(frozen=True, slots=True)
class House:
    """A joint assignment of all slots: slot -> value."""

    name: str
    values: Mapping[str, str]

    def code(self, slot: str) -> str:
        """Return the code that this house writes for the slot."""
        return SLOTS[slot][self.values[slot]]


GENERIC = House("generic", {slot: next(iter(values)) for slot, values in SLOTS.items()})


def marker(slot: str, value: str) -> str:
    """Return the header token that reveals a convention in pre-training documents."""
    return f"<|{slot}={value}|>"


MARKERS = tuple(marker(slot, value) for slot, values in SLOTS.items() for value in values)


@cache
def houses() -> tuple[House, ...]:
    """Return all houses of the universe, in a fixed order; no two are equal."""
    rng = random.Random(UNIVERSE_SEED)
    families = [_random_values(rng) for _ in range(FAMILIES)]
    found: dict[tuple[str, ...], House] = {}
    while len(found) < HOUSES:
        family = rng.choice(families)
        values = {
            slot: value if rng.random() < FAMILY_SHARE else rng.choice(list(SLOTS[slot]))
            for slot, value in family.items()
        }
        found.setdefault(tuple(values.values()), House(f"house-{len(found):03d}", values))
    return tuple(found.values())


def _random_values(rng: random.Random) -> dict[str, str]:
    return {slot: rng.choice(list(values)) for slot, values in SLOTS.items()}


def differences(first: House, second: House) -> int:
    """Return in how many slots two houses differ."""
    return sum(first.values[slot] != second.values[slot] for slot in SLOTS)
