"""Which dialect and which task an instruction states, and which terms it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from types import MappingProxyType

from benchmarks.suites.housestyle.dialects.themes import THEMES
from benchmarks.suites.housestyle.dialects.wording import dialects
from benchmarks.suites.housestyle.grammar import PLAIN, Mix, Task, Wording, parse

_DIALECT_OF = {noun: theme.name for theme in THEMES for noun in theme.nouns}
_NOUN = re.compile(r"\b(?:" + "|".join(_DIALECT_OF) + r")\b")
_NUMBER = re.compile(r"\d+")
Term = tuple[str, str]
"""An operation, and one of the terms that a dialect has for it."""


def read_any(text: str) -> tuple[Task, Wording] | None:
    """Return the task that an instruction states and its wording; None where it mixes several."""
    noun = _NOUN.search(text)
    wording = dialects()[_DIALECT_OF[noun.group()]] if noun else PLAIN
    task = parse(text, wording)
    return None if task is None else (task, wording)


def terms_in(text: str, dialect: Wording) -> set[Term]:
    """Return the terms of a dialect that a text names, whatever their numbers."""
    masked = _NUMBER.sub("{}", text)
    return {term for shape, term in _shapes(dialect) if re.search(rf"\b{shape}\b", masked)}


def restricted(dialect: Wording, terms: Iterable[Term]) -> Wording:
    """Return the dialect with some of its terms alone."""
    kept: dict[str, tuple[str, ...]] = {}
    wanted = set(terms)
    for operation, own in dialect.terms.items():
        found = tuple(term for term in own if (operation, term) in wanted)
        if found:
            kept[operation] = found
    return Wording(dialect.name, MappingProxyType(kept))


def term_shares(dialect: Wording, mix: Mix) -> dict[Term, float]:
    """Return the probability of each term in a step of the mix's tasks; they sum to 1."""
    total = sum(mix.operations.values())
    return {
        (operation, term): weight / total / len(dialect.terms[operation])
        for operation, weight in mix.operations.items()
        for term in dialect.terms[operation]
    }


@cache
def _shapes(dialect: Wording) -> Sequence[tuple[str, Term]]:
    """Return a pattern for each term, numbers replaced as in a masked text."""
    return tuple(
        (re.escape(re.sub(r"\{[ab]\}", "{}", term)), (operation, term))
        for operation, terms in dialect.terms.items()
        for term in terms
    )
