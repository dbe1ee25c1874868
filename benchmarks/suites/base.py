"""The Suite interface: references, development problems, test problems, prompt, evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from benchmarks.suites.protocol import PLAIN, Protocol
from domino.records import Outcome, Problem, Reference
from domino.synthesizer import Template
from domino.text import storable

if TYPE_CHECKING:
    from benchmarks.sandbox import SandboxConfig

Split = Literal["development", "test"]
SampleFormat = Literal["tasks", "questions", "predictions"]
"""What official tools read: EvalPlus's and BigCodeBench's lines of tasks, LiveCodeBench's list of
questions with their codes, its list of predicted outputs."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The candidate in a response; where there is none because the tool gave up, the outcome."""

    code: str
    failure: Outcome | None = None
    detail: str = ""


class SuiteError(ValueError):
    """A suite cannot be loaded or used: which file or field, the value, what to do."""

    def __init__(self, message: str) -> None:
        """Make the message printable: it may quote a file that holds half a surrogate pair."""
        super().__init__(storable(message))


class Suite(ABC):
    """A benchmark on one domain. Loading is lazy; everything is deterministic."""

    name: ClassVar[str]
    sample_format: ClassVar[SampleFormat] = "tasks"
    draws_references: ClassVar[bool] = False
    """Whether each seed of a run draws its own references; else all seeds take the first ones."""
    solves: ClassVar[bool] = False
    """Whether `solve` knows right responses: what responder "solver" needs."""

    @property
    @abstractmethod
    def template(self) -> Template:
        """Which fields of a reference the methods may use."""

    @property
    def variant(self) -> str:
        """Which of its domains and tracks this suite is, in words; "" where it has only one."""
        return ""

    @property
    def description(self) -> str:
        """The domain in words, where a run describes it in none of its own; "" where not known."""
        return ""

    @property
    def test_names(self) -> tuple[str, ...]:
        """What base inputs, and base and plus inputs, are called; one where all are base."""
        return ("base", "base + plus")

    @property
    def digest(self) -> str:
        """SHA-256 of the data file that the problems come from; "" where there is none."""
        return ""

    @property
    def unjudged(self) -> Mapping[str, str]:
        """Problems that cannot be judged on this machine, by id, with the reason."""
        return {}

    def labels(self, problem: Problem) -> tuple[str, ...]:
        """What else scores are grouped by: a problem's libraries, () where there is nothing."""
        return ()

    def limits(self, config: SandboxConfig) -> SandboxConfig:
        """Return the sandbox as this suite's programs need it."""
        return config

    def everything(self) -> tuple[Problem, ...]:
        """All problems of the benchmark, whatever the split: what its official tools score."""
        return self.problems("test")

    @abstractmethod
    def references(self) -> tuple[Reference, ...]:
        """All references of the domain, in a fixed order; a run uses the first `n` of them."""

    def right_pairs(self) -> Sequence[Reference]:
        """Pairs with right responses, for the row *ceiling*; those of the references by default."""
        return [reference for reference in self.references() if reference.response]

    def other_pairs(self) -> Sequence[Reference]:
        """Right pairs of another domain, for the row *other-domain*; most suites have none."""
        return ()

    def plain_pairs(self) -> Sequence[Reference]:
        """Right pairs in words other than the domain's, for the row *plain-wording*."""
        return ()

    def recombined_pairs(self, references: Sequence[Reference]) -> Sequence[Reference]:
        """Right pairs made only of what these references show, for the row *recombined*."""
        return ()

    @abstractmethod
    def problems(self, split: Split) -> tuple[Problem, ...]:
        """The problems of a split, in a fixed order; disjoint from the references by program."""

    @abstractmethod
    def instruction(self, problem: Problem) -> str:
        """The problem's content, as a reference or a synthetic instruction states it."""

    def content(self, instruction: str) -> str:
        """An instruction without the sentences that a protocol puts around every one."""
        return instruction

    def protocol(self, *, chat: bool) -> Protocol:
        """What stands around a content where the model is asked, in chat turns or directly.

        Raises:
            SuiteError: the protocol has no direct completion, or its package is missing.
        """
        return PLAIN

    @property
    def rules(self) -> str:
        """Protocol and extraction with their versions, for cache keys; "" where there are none."""
        return ""

    @abstractmethod
    def extract(self, problem: Problem, response: str) -> str:
        """The candidate's source text out of a response (a string even where none is there)."""

    def extract_all(
        self, pairs: Sequence[tuple[Problem, str]], *, direct: bool = False
    ) -> list[Extracted]:
        """The same for many (problem, response), each with an outcome where the tool gave up.

        `direct` says that the responses are direct completions, behind the text that they continue.
        """
        return [Extracted(code=self.extract(problem, response)) for problem, response in pairs]

    def refuse_instruction(self, instruction: str) -> tuple[str, str] | None:
        """Reason and detail where a synthetic instruction is unusable in this suite, else None."""
        return ("empty", "") if not instruction.strip() else None

    def refuse_response(self, instruction: str, response: str) -> tuple[str, str] | None:
        """Reason and detail where a response is unusable (it must parse as Python), else None."""
        return None

    def refuse_responses(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str] | None]:
        """The same for many (instruction, response)."""
        return [self.refuse_response(instruction, response) for instruction, response in pairs]

    def check(self) -> None:
        """Refuse, before anything is computed, what the suite's own tools would need later.

        Raises:
            SuiteError: a package is missing.
        """
        return

    def refuse_by_running(
        self, pairs: Sequence[tuple[str, str]], config: SandboxConfig
    ) -> list[tuple[str, str] | None]:
        """Reason and detail for each (instruction, response) that running shows to be wrong.

        Only suites whose instructions determine the correct answer can decide; others refuse none.
        """
        return [None] * len(pairs)

    def solve(self, instructions: Sequence[str], config: SandboxConfig) -> list[str | None]:
        """Return the right response to each instruction, None to one that states no task.

        Only a suite that says so by `solves` knows any; `config` limits what it has to run.
        """
        return [None] * len(instructions)

    def behaviour_problem(self, instruction: str, seed: int) -> Problem | None:
        """A problem without a known solution, its `base_inputs` random.

        The consistency filter runs several responses on it to see whether they agree. None where a
        suite cannot make inputs for a free-form instruction (the filter then keeps by agreement of
        text).
        """
        return None

    def program_key(self, instruction: str) -> str | None:
        """The canonical key of the task that an instruction states, where the universe is known.

        Two instructions with one key are the same task. None if the suite cannot decide, or the
        instruction states none of its tasks.
        """
        return None

    def oracle(
        self,
        instruction: str,
        response: str | None,
        references: Sequence[Reference] | None = None,
    ) -> dict[str, Any] | None:
        """Exact facts about a synthetic pair where the suite's universe is known, else None.

        What is new or a copy is so against the references of the row, or against all.
        """
        return None

    def support_coverage(self, instructions: Sequence[str]) -> float | None:
        """The share of the domain's support that the instructions cover, where it is known."""
        return None
