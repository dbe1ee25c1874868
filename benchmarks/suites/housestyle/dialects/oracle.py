"""Exact facts about synthetic data in the track dialects, against the references of a row.

These measure; they never filter, so that no method gains by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from benchmarks.suites.housestyle.conventions import GENERIC
from benchmarks.suites.housestyle.dialects.domains import DialectDomain
from benchmarks.suites.housestyle.dialects.reading import (
    Term,
    read_any,
    term_shares,
    terms_in,
)
from benchmarks.suites.housestyle.grammar import parse, same_code, solution


class Shown:
    """What a row's references show of a domain: their programs and their terms."""

    def __init__(self, domain: DialectDomain, instructions: Sequence[str]) -> None:
        self._domain, self._instructions = domain, instructions

    @cached_property
    def keys(self) -> frozenset[str]:
        """The programs of the references."""
        read = (parse(text, self._domain.dialect) for text in self._instructions)
        return frozenset(task.key for task in read if task is not None)

    @cached_property
    def terms(self) -> frozenset[Term]:
        """The terms that they name."""
        found = (terms_in(text, self._domain.dialect) for text in self._instructions)
        return frozenset().union(*found)


def facts(
    instruction: str, response: str | None, domain: DialectDomain, shown: Shown
) -> dict[str, Any]:
    """Return what is true of a pair.

    Keys: `valid` (a task in one wording, of whatever dialect or plain), `in_domain` (in the
    domain's dialect), `copy` (the program of a reference), `recombined` (no copy, and every term is
    one that the references show), `new_terms` (in the dialect, with a term that they do not show),
    `steps`, and, with a response, `aligned` (the right program, up to formatting).
    """
    read = read_any(instruction)
    found: dict[str, Any] = dict.fromkeys(
        ("valid", "in_domain", "copy", "recombined", "new_terms", "aligned"), False
    )
    if read is None:
        return found
    task, wording = read
    found |= {"valid": True, "steps": len(task.steps)}
    if response is not None:
        found["aligned"] = same_code(response, solution(task, GENERIC))
    if wording is domain.dialect:
        new = terms_in(instruction, wording) - shown.terms
        copy = task.key in shown.keys
        found |= {"in_domain": True, "copy": copy, "new_terms": bool(new)}
        found["recombined"] = not new and not copy
    return found


def coverage(instructions: Sequence[str], domain: DialectDomain) -> float:
    """Return the probability, in a step of the domain's tasks, of the terms that are covered.

    A term is covered by an instruction that is in the dialect and names it.
    """
    seen = set().union(*(terms_in(t, domain.dialect) for t in instructions if _in(t, domain)))
    shares = term_shares(domain.dialect, domain.mix)
    return sum(share for term, share in shares.items() if term in seen)


def _in(text: str, domain: DialectDomain) -> bool:
    return parse(text, domain.dialect) is not None
