"""A suite without its test problems, for the trials of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.store.identity import digest
from benchmarks.suites.base import Extracted, Split, Suite
from benchmarks.suites.protocol import Protocol
from domino.records import Problem, Reference

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.sandbox import SandboxConfig
    from domino.synthesizer import Template


class DevelopmentSuite(Suite):
    """A suite with only the development problems of another one.

    No stage of a trial can see a test problem, the decontamination included: what it drops for
    repeating a test problem would leak information on the test problems. The run that is
    reported at the end decontaminates against all problems again.
    """

    def __init__(self, suite: Suite) -> None:
        """Wrap `suite`."""
        self.name = suite.name  # type: ignore[misc] # of this instance, as the suite has it
        self.sample_format = suite.sample_format  # type: ignore[misc]
        self._suite = suite

    @property
    def template(self) -> Template:
        """The suite's."""
        return self._suite.template

    @property
    def variant(self) -> str:
        """The suite's."""
        return self._suite.variant

    @property
    def description(self) -> str:
        """The suite's."""
        return self._suite.description

    @property
    def test_names(self) -> tuple[str, ...]:
        """The suite's."""
        return self._suite.test_names

    @property
    def digest(self) -> str:
        """The suite's."""
        return self._suite.digest

    @property
    def unjudged(self) -> Mapping[str, str]:
        """The suite's, of its development problems and of those in no split."""
        test = {problem.id for problem in self._suite.problems("test")}
        return {name: why for name, why in self._suite.unjudged.items() if name not in test}

    def labels(self, problem: Problem) -> tuple[str, ...]:
        """The suite's."""
        return self._suite.labels(problem)

    def limits(self, config: SandboxConfig) -> SandboxConfig:
        """The suite's."""
        return self._suite.limits(config)

    def everything(self) -> tuple[Problem, ...]:
        """The development problems."""
        return self.problems("development")

    def references(self) -> tuple[Reference, ...]:
        """The suite's."""
        return self._suite.references()

    def right_pairs(self) -> Sequence[Reference]:
        """The suite's."""
        return self._suite.right_pairs()

    def other_pairs(self) -> Sequence[Reference]:
        """The suite's."""
        return self._suite.other_pairs()

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """The development problems; there is no test problem."""
        return self._suite.problems("development") if split == "development" else ()

    def instruction(self, problem: Problem) -> str:
        """The suite's."""
        return self._suite.instruction(problem)

    def content(self, instruction: str) -> str:
        """The suite's."""
        return self._suite.content(instruction)

    def protocol(self, *, chat: bool) -> Protocol:
        """The suite's."""
        return self._suite.protocol(chat=chat)

    @property
    def rules(self) -> str:
        """The suite's."""
        return self._suite.rules

    def extract(self, problem: Problem, response: str) -> str:
        """The suite's."""
        return self._suite.extract(problem, response)

    def extract_all(
        self, pairs: Sequence[tuple[Problem, str]], *, direct: bool = False
    ) -> list[Extracted]:
        """The suite's."""
        return self._suite.extract_all(pairs, direct=direct)

    def check(self) -> None:
        """The suite's."""
        self._suite.check()

    def refuse_instruction(self, instruction: str) -> tuple[str, str] | None:
        """The suite's."""
        return self._suite.refuse_instruction(instruction)

    def refuse_response(self, instruction: str, response: str) -> tuple[str, str] | None:
        """The suite's."""
        return self._suite.refuse_response(instruction, response)

    def refuse_responses(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str] | None]:
        """The suite's."""
        return self._suite.refuse_responses(pairs)

    def refuse_by_running(
        self, pairs: Sequence[tuple[str, str]], config: SandboxConfig
    ) -> list[tuple[str, str] | None]:
        """The suite's."""
        return self._suite.refuse_by_running(pairs, config)

    @property
    def draws_references(self) -> bool:  # type: ignore[override]
        """The suite's."""
        return self._suite.draws_references

    @property
    def solves(self) -> bool:  # type: ignore[override]
        """The suite's."""
        return self._suite.solves

    def solve(self, instructions: Sequence[str], config: SandboxConfig) -> list[str | None]:
        """The suite's."""
        return self._suite.solve(instructions, config)

    def behaviour_problem(self, instruction: str, seed: int) -> Problem | None:
        """The suite's."""
        return self._suite.behaviour_problem(instruction, seed)

    def program_key(self, instruction: str) -> str | None:
        """The suite's."""
        return self._suite.program_key(instruction)

    def plain_pairs(self) -> Sequence[Reference]:
        """The suite's."""
        return self._suite.plain_pairs()

    def recombined_pairs(self, references: Sequence[Reference]) -> Sequence[Reference]:
        """The suite's."""
        return self._suite.recombined_pairs(references)

    def oracle(
        self,
        instruction: str,
        response: str | None,
        references: Sequence[Reference] | None = None,
    ) -> dict[str, Any] | None:
        """The suite's."""
        return self._suite.oracle(instruction, response, references)

    def support_coverage(self, instructions: Sequence[str]) -> float | None:
        """The suite's."""
        return self._suite.support_coverage(instructions)


def without_test_problems(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline over the suite's development problems, with a cache key of these."""
    suite = DevelopmentSuite(pipeline.context.suite)
    return replace(
        pipeline,
        context=replace(pipeline.context, suite=suite),
        suite_digest=digest([suite.name, suite.template, suite.problems("development")]),
    )
