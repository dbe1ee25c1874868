"""The housestyle suite: one domain in one track, behind the Suite interface."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import closest
from benchmarks.suites.base import Split, Suite, SuiteError
from benchmarks.suites.housestyle import oracle, problems
from benchmarks.suites.housestyle.domains import DOMAINS, LENGTHS, Part, Track, tasks
from benchmarks.suites.housestyle.grammar import ENTRY_POINT, Task, instruction, parse, solution
from benchmarks.suites.registry import refuse_options
from domino.records import Problem, Reference, derive_seed, stable_id

if TYPE_CHECKING:
    from benchmarks.sandbox import SandboxConfig
    from benchmarks.suites.registry import SuiteOptions
    from domino.synthesizer import Template

DEFAULT_DOMAIN = "ledger"
MAX_CHARACTERS = 600


class HousestyleSuite(Suite):
    """One named domain in one track; everything is generated, nothing is read from disk."""

    name = "housestyle"
    solves = True

    def __init__(self, domain: str, track: Track) -> None:
        """Choose the domain and the track.

        Raises:
            SuiteError: no domain or track has this name.
        """
        self.domain = DOMAINS[_known("domain", domain, tuple(DOMAINS))]
        self.track: Track = "compositions" if track == "compositions" else "conventions"
        _known("track", track, tuple(LENGTHS))

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

    def instruction(self, problem: Problem) -> str:
        """The problem's prompt is the user turn."""
        return problem.prompt

    def extract(self, problem: Problem, response: str) -> str:
        """A response is a program and nothing else."""
        return response

    def refuse_instruction(self, instruction: str) -> tuple[str, str] | None:
        """Refuse what is empty or too long; whether it is a task is for judges, not for us."""
        if not instruction.strip():
            return "empty", ""
        if len(instruction) > MAX_CHARACTERS:
            return "too long", f"{len(instruction)} characters, at most {MAX_CHARACTERS}"
        return None

    def refuse_response(self, instruction: str, response: str) -> tuple[str, str] | None:
        """Refuse what does not parse, or defines no `solve`."""
        try:
            body = ast.parse(response).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return "does not parse", str(error)
        defined = any(isinstance(n, ast.FunctionDef) and n.name == ENTRY_POINT for n in body)
        return None if defined else ("no function", f"{ENTRY_POINT} is not defined")

    def solve(self, instructions: Sequence[str], config: SandboxConfig) -> list[str | None]:
        """Read each instruction by the grammar, and write its program by the domain's house."""
        house = self.domain.house(self.track)
        tasks_read = [parse(instruction) for instruction in instructions]
        return [solution(task, house) if task else None for task in tasks_read]

    def behaviour_problem(self, instruction: str, seed: int) -> Problem | None:
        """Random lists of integers: every task of the universe takes one."""
        return problems.behaviour_problem(instruction, seed)

    def program_key(self, instruction: str) -> str | None:
        """The task's canonical program, whatever its wording."""
        task = parse(instruction)
        return task.key if task else None

    def oracle(self, instruction: str, response: str | None) -> dict[str, Any] | None:
        """Exact facts about a pair: see `oracle.facts`."""
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


def _known(what: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise SuiteError(
            f"housestyle has no {what} {value!r}{closest(value, known)}: "
            f"give one of {', '.join(known)} as --suite_options.{what}"
        )
    return value


def load(options: SuiteOptions) -> HousestyleSuite:
    """Return the suite in the compositions track, unless the options name another."""
    return _load("housestyle", "compositions", options)


def load_conventions(options: SuiteOptions) -> HousestyleSuite:
    """Return the suite in the conventions track, unless the options name another."""
    return _load("housestyle-conventions", "conventions", options)


def _load(name: str, track: Track, options: SuiteOptions) -> HousestyleSuite:
    refuse_options(name, options, ("domain", "track"))
    return HousestyleSuite(options.domain or DEFAULT_DOMAIN, options.track or track)  # type: ignore[arg-type]
