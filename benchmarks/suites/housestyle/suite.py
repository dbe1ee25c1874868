"""The housestyle suite: one domain in one track, behind the Suite interface."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.suites.base import Split
from benchmarks.suites.housestyle import oracle, problems
from benchmarks.suites.housestyle.domains import DOMAINS, LENGTHS, Part, Track, tasks
from benchmarks.suites.housestyle.grammar import Task, instruction, parse, solution
from benchmarks.suites.housestyle.grammar_suite import GrammarSuite, require_known
from benchmarks.suites.registry import refuse_options
from domino.records import Problem, Reference, derive_seed, stable_id

if TYPE_CHECKING:
    from benchmarks.suites.registry import SuiteOptions
    from domino.synthesizer import Template

DEFAULT_DOMAIN = "ledger"
DIALECTS = "dialects"
TRACKS = (*LENGTHS, DIALECTS)


class HousestyleSuite(GrammarSuite):
    """One named domain in one track; everything is generated, nothing is read from disk."""

    def __init__(self, domain: str, track: Track) -> None:
        """Choose the domain and the track.

        Raises:
            SuiteError: no domain or track has this name.
        """
        self.domain = DOMAINS[require_known("domain", domain, tuple(DOMAINS))]
        self.track: Track = "compositions" if track == "compositions" else "conventions"
        require_known("track", track, TRACKS)
        self.house = self.domain.house(self.track)

    @property
    def template(self) -> Template:
        """Instructions alone in compositions, pairs in conventions."""
        return "instruction" if self.track == "compositions" else "pair"

    @property
    def variant(self) -> str:
        """The domain and the track."""
        return f"domain {self.domain.name}, track {self.track}"

    def references(self) -> tuple[Reference, ...]:
        """64 references; their wording is random but fixed."""
        return self._pairs("references", with_response=self.template == "pair")

    def oracle_pairs(self) -> tuple[Reference, ...]:
        """1,000 correct pairs of the domain: the ceiling that the universe is calibrated on."""
        return self._pairs("oracle", with_response=True)

    def right_pairs(self) -> tuple[Reference, ...]:
        """Fresh correct pairs of the domain."""
        return self.oracle_pairs()

    def other_pairs(self) -> tuple[Reference, ...]:
        """Correct pairs of the domain that comes next among the named ones."""
        names = [*DOMAINS]
        other = names[(names.index(self.domain.name) + 1) % len(names)]
        return HousestyleSuite(other, self.track).oracle_pairs()

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """64 development or 128 test problems."""
        return _problems(self.domain.name, self.track, split)

    def read(self, instruction: str) -> Task | None:
        """Return the task that an instruction states, or None."""
        return parse(instruction)

    def oracle(
        self,
        instruction: str,
        response: str | None,
        references: Sequence[Reference] | None = None,
    ) -> dict[str, Any] | None:
        """Exact facts about a pair: see `oracle.facts`; copies are of any of all references."""
        return oracle.facts(instruction, response, self.domain, self.track, self._reference_keys)

    def support_coverage(self, instructions: Sequence[str]) -> float | None:
        """The probability of the domain's transitions that the instructions cover."""
        return oracle.coverage(instructions, self.domain)

    @cached_property
    def _reference_keys(self) -> frozenset[str]:
        return frozenset(task.key for task in self._tasks("references"))

    def _tasks(self, part: Part) -> tuple[Task, ...]:
        return tasks(self.domain.name, self.track, part)

    def _pairs(self, part: Part, *, with_response: bool) -> tuple[Reference, ...]:
        house = self.domain.house(self.track)
        rng = random.Random(derive_seed(0, self.domain.name, self.track, part))
        return tuple(
            Reference(
                id=stable_id(self.domain.name, self.track, part, task.key),
                instruction=instruction(task, rng),
                response=solution(task, house) if with_response else None,
            )
            for task in self._tasks(part)
        )


@cache
def _problems(domain: str, track: Track, split: Split) -> tuple[Problem, ...]:
    house = DOMAINS[domain].house(track)
    return tuple(
        problems.make_problem(task, house, 0, f"{domain}-{track}/{split}/{number}")
        for number, task in enumerate(tasks(domain, track, split))
    )


def load(options: SuiteOptions) -> GrammarSuite:
    """Return the suite in the compositions track, unless the options name another."""
    return _load("housestyle", "compositions", options)


def load_conventions(options: SuiteOptions) -> GrammarSuite:
    """Return the suite in the conventions track, unless the options name another."""
    return _load("housestyle-conventions", "conventions", options)


def _load(name: str, track: Track, options: SuiteOptions) -> GrammarSuite:
    domain = options.domain or DEFAULT_DOMAIN
    if options.track == DIALECTS:
        from benchmarks.suites.housestyle.dialects.suite import DialectSuite

        refuse_options(name, options, ("domain", "track", "coherence"))
        return DialectSuite(domain, options.coherence or "weak")
    refuse_options(name, options, ("domain", "track"))
    return HousestyleSuite(domain, options.track or track)  # type: ignore[arg-type]
