"""Dialects: each names the operations by terms of its own, a verb and a noun of its theme."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from benchmarks.suites.housestyle.dialects.themes import THEMES, VERBS, Theme
from benchmarks.suites.housestyle.grammar import NUMBERS, OPERATIONS, Wording
from domino.records import derive_seed

SECOND_TERMS = 6
TWO_TERMS_EVERY = 3
"""Each third dialect has two terms for `SECOND_TERMS` of its operations."""


@cache
def dialects() -> Mapping[str, Wording]:
    """Return all dialects by name, in the order of the themes."""
    made = (
        _dialect(theme, SECOND_TERMS if index % TWO_TERMS_EVERY == 2 else 0)
        for index, theme in enumerate(THEMES)
    )
    return MappingProxyType({dialect.name: dialect for dialect in made})


def theme_of(dialect: Wording) -> Theme:
    """Return the theme that a dialect's terms come from."""
    return next(theme for theme in THEMES if theme.name == dialect.name)


def terms_of(dialect: Wording) -> tuple[str, ...]:
    """Return all terms of a dialect."""
    return tuple(term for terms in dialect.terms.values() for term in terms)


def _dialect(theme: Theme, second_terms: int) -> Wording:
    """Name each operation; no two terms share a verb, so that the verb alone distinguishes them."""
    rng = random.Random(derive_seed(0, "dialect", theme.name))
    others = [verb for verb in VERBS if verb not in theme.verbs]
    wanted = len(OPERATIONS) + second_terms
    verbs = [*theme.verbs, *rng.sample(others, wanted - len(theme.verbs))]
    rng.shuffle(verbs)
    named: dict[str, tuple[str, ...]] = {
        name: (_term(name, verbs.pop(), rng.choice(theme.nouns)),) for name in OPERATIONS
    }
    for name in rng.sample(list(OPERATIONS), second_terms):
        named[name] += (_term(name, verbs.pop(), rng.choice(theme.nouns)),)
    return Wording(theme.name, MappingProxyType(named))


def _term(operation: str, verb: str, noun: str) -> str:
    if operation == "between":
        return f"{verb} {{a}} to {{b}} {noun}"
    return f"{verb} {{a}} {noun}" if operation in NUMBERS else f"{verb} the {noun}"
