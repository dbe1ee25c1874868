"""The track dialects of the housestyle suite, behind the Suite interface."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.suites.base import Split, SuiteError
from benchmarks.suites.housestyle import problems
from benchmarks.suites.housestyle.conventions import GENERIC
from benchmarks.suites.housestyle.dialects.domains import (
    DOMAINS,
    SIZES,
    Part,
    describe,
    draw,
    tasks,
)
from benchmarks.suites.housestyle.dialects.oracle import Shown, coverage, facts
from benchmarks.suites.housestyle.dialects.reading import read_any, restricted
from benchmarks.suites.housestyle.grammar import (
    PLAIN,
    Mix,
    Task,
    Wording,
    instruction,
    solution,
)
from benchmarks.suites.housestyle.grammar_suite import GrammarSuite, require_known
from domino.records import Problem, Reference, derive_seed, stable_id

if TYPE_CHECKING:
    from domino.synthesizer import Template


class DialectSuite(GrammarSuite):
    """One domain: its dialect, generic conventions; references are instructions alone."""

    draws_references: ClassVar[bool] = True
    house = GENERIC

    def __init__(self, domain: str, coherence: str) -> None:
        """Choose the domain; `coherence` names the backbone that a run takes, for readers.

        Raises:
            SuiteError: no domain has this name, or the coherence is none.
        """
        self.domain = DOMAINS[require_known("domain", domain, tuple(DOMAINS))]
        self._coherence = require_coherence(coherence)
        self._shown: dict[tuple[str, ...], Shown] = {}

    @property
    def template(self) -> Template:
        """Instructions alone."""
        return "instruction"

    @property
    def variant(self) -> str:
        """The domain, the track, and the coherence of the backbone's pre-training."""
        return f"domain {self.domain.name}, track dialects, coherence {self._coherence}"

    @property
    def description(self) -> str:
        """The domain in words, for methods that read a description."""
        return describe(self.domain.dialect, self.domain.mix)

    def references(self) -> tuple[Reference, ...]:
        """256 references, of which each seed of a run draws its own."""
        return _references(self.domain.name)

    def right_pairs(self) -> tuple[Reference, ...]:
        """1,200 fresh correct pairs of the domain."""
        return self._pairs("ceiling", tasks(self.domain.name, "ceiling"), self.domain.dialect)

    def plain_pairs(self) -> tuple[Reference, ...]:
        """The same tasks in the plain wording."""
        return self._pairs("plain", tasks(self.domain.name, "ceiling"), PLAIN)

    def other_pairs(self) -> tuple[Reference, ...]:
        """Correct pairs of the domain that comes next among the named ones."""
        names = [*DOMAINS]
        other = names[(names.index(self.domain.name) + 1) % len(names)]
        return DialectSuite(other, self._coherence).right_pairs()

    def recombined_pairs(self, references: Sequence[Reference]) -> tuple[Reference, ...]:
        """Correct pairs made of nothing but the terms that the references show."""
        dialect = restricted(self.domain.dialect, self._shown_by(references).terms)
        mix = self.domain.mix
        known = Mix({o: w for o, w in mix.operations.items() if o in dialect.terms},
                    mix.lengths, mix.returns)  # fmt: skip
        rng = random.Random(derive_seed(0, self.domain.name, *(r.id for r in references)))
        made = draw(known, SIZES["ceiling"], "ceiling", rng)
        return self._pairs("recombined", made, dialect)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """128 development or 1,024 test problems."""
        return _problems(self.domain.name, split)

    def read(self, instruction: str) -> Task | None:
        """Return the task that an instruction states in any one wording, or None."""
        read = read_any(instruction)
        return read[0] if read else None

    def oracle(
        self,
        instruction: str,
        response: str | None,
        references: Sequence[Reference] | None = None,
    ) -> dict[str, Any] | None:
        """Exact facts about a pair: see `facts`."""
        return facts(instruction, response, self.domain, self._shown_by(references))

    def support_coverage(self, instructions: Sequence[str]) -> float | None:
        """The probability of the domain's terms that the instructions cover."""
        return coverage(instructions, self.domain)

    def _shown_by(self, references: Sequence[Reference] | None) -> Shown:
        given = self.references() if references is None else references
        ids = tuple(reference.id for reference in given)
        if ids not in self._shown:
            texts = [reference.instruction for reference in given]
            self._shown[ids] = Shown(self.domain, texts)
        return self._shown[ids]

    def _pairs(self, kind: str, made: Sequence[Task], wording: Wording) -> tuple[Reference, ...]:
        rng = random.Random(derive_seed(0, self.domain.name, kind))
        return tuple(
            Reference(
                id=stable_id(self.domain.name, kind, task.key),
                instruction=instruction(task, rng, wording=wording),
                response=solution(task, GENERIC),
            )
            for task in made
        )


def require_coherence(value: str) -> str:
    """Return the coherence as it is given.

    Raises:
        SuiteError: it is neither weak nor coherent, nor a probability.
    """
    try:
        known = value in ("weak", "coherent") or 0.0 <= float(value) <= 1.0
    except ValueError:
        known = False
    if not known:
        raise SuiteError(
            f"suite_options.coherence is {value!r}: give weak, coherent, or the number from 0 to 1 "
            "that the directory given as --model was pre-trained with"
        )
    return value


@cache
def _references(domain: str) -> tuple[Reference, ...]:
    rng = random.Random(derive_seed(0, domain, "references"))
    dialect = DOMAINS[domain].dialect
    return tuple(
        Reference(
            id=stable_id(domain, "dialects", task.key),
            instruction=instruction(task, rng, wording=dialect),
        )
        for task in tasks(domain, "references")
    )


@cache
def _problems(domain: str, split: Split) -> tuple[Problem, ...]:
    part: Part = split
    dialect = DOMAINS[domain].dialect
    return tuple(
        problems.make_problem(task, GENERIC, 0, f"{domain}-dialects/{split}/{number}", dialect)
        for number, task in enumerate(tasks(domain, part))
    )
