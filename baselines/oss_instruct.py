"""OSS-Instruct: a few lines of the references' code inspire each new task."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.base import Draft, at_least
from baselines.independent import Ask, Independent, IndependentConfig
from baselines.prompting import fill
from domino.engines.base import Request
from domino.records import Sampling, derive_seed
from domino.synthesizer import RequestProfile, plain_responses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domino.engines.base import Completion

SEPARATOR = "\n\nSolution:\n"
"""Separates the task from its solution in an answer."""

_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def prompt(snippet: str) -> str:
    """Return the user turn that shows a snippet and asks for a task with its solution."""
    return fill("oss_instruct", snippet=snippet)


@dataclass(frozen=True, kw_only=True, slots=True)
class OSSInstructConfig(IndependentConfig):
    """Options of OSS-Instruct.

    Attributes:
        snippet_lines: the longest snippet; the shortest is one line.
        answer_tokens: the longest answer to a reference, if references have no responses.
    """

    snippet_lines: int = 15
    answer_tokens: int = 1024

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        IndependentConfig.__post_init__(self)
        at_least(self, snippet_lines=1, answer_tokens=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Code that snippets are taken from, and the reference that it answers."""

    reference: str
    code: str


class OSSInstruct(Independent[OSSInstructConfig]):
    """Shows 1 to 15 consecutive lines of a reference's response, asks for a task and its solution.

    Departures from the authors' program (Magicoder, arXiv 2312.02120), and why:

    - Snippets come from the references' responses instead of open-source files: the references
      are all that is known of the domain. Where they are instructions alone, the backbone first
      answers them itself, greedily, and its code stands in; that cost is charged.
    - One document gives many snippets, as references are few; the authors' greedy decoding would
      then repeat itself, and temperature, top-p and limits are the harness's anyway.
    - The solution is generated, must be there and is charged for, but it is not the pair's
      response: responses are made under one rule for all methods. Under the rule "own" the same
      form is continued: a snippet, the instruction, and then the solution. An answer that the
      limit cut within its solution therefore still gives its task.
    - Repeated tasks and contamination are the harness's filters, for all methods.
    """

    name: ClassVar[str] = "oss-instruct"
    config_class: ClassVar[type[OSSInstructConfig]] = OSSInstructConfig
    profile: ClassVar[RequestProfile] = RequestProfile(
        words=150, responses=1.0, source="snippets of 150 tokens: assumed"
    )
    _sources: tuple[Source, ...] = ()

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Continue each instruction with its solution, after a snippet sampled for it."""
        if not self._sources:
            return plain_responses(self.engine, instructions, sampling)
        requests = []
        for instruction in instructions:
            labels = ("respond", instruction)
            _, turn = self._shown(self._random(sampling, *labels))
            seed = derive_seed(sampling.seed, self.name, *labels)
            requests.append(Request(prompt=f"{turn}{instruction}{SEPARATOR}", seed=seed))
        return [completion.text for completion in self.engine.generate(requests, sampling)]

    def _learn(self) -> None:
        if self.domain.template == "pair":
            texts = [reference.response or "" for reference in self.domain.references]
        else:
            texts = self._answered()
        self._sources = tuple(
            Source(reference=reference.id, code=code)
            for reference, code in zip(self.domain.references, map(code_of, texts), strict=True)
            if code.strip()
        )

    def _answered(self) -> list[str]:
        """Answer the references with the plain backbone; truncated answers are not used."""
        seed = self._require_fit()[1].seed
        greedy = Sampling(temperature=0.0, max_new_tokens=self.config.answer_tokens, seed=seed)
        requests = [
            self._user_turn(
                reference.instruction, derive_seed(seed, self.name, "answer", reference.id)
            )
            for reference in self.domain.references
        ]
        return ["" if c.truncated else c.text for c in self._generate(requests, greedy)]

    def _memory(self) -> dict[str, Any]:
        return {source.reference: source.code for source in self._sources}

    def _remember(self, memory: Mapping[str, Any]) -> None:
        order = [reference.id for reference in self.domain.references if reference.id in memory]
        self._sources = tuple(Source(reference=name, code=memory[name]) for name in order)

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        if not self._sources:
            self._stop("no reference has a response to take a snippet from")
            return iter(())
        return super()._drafts(count, sampling, first)

    def _ask(self, number: int, attempt: int, sampling: Sampling) -> Ask:
        source, turn = self._shown(self._random(sampling, "snippet", number, attempt))
        return Ask(turn, (source.reference,))

    def _shown(self, randomness: random.Random) -> tuple[Source, str]:
        """Draw a source, and return it with the prompt that shows a snippet of it."""
        source = randomness.choice(self._sources)
        shown = snippet(source.code, self.config.snippet_lines, randomness)
        return source, self.engine.render([{"role": "user", "content": prompt(shown)}])

    def _read(self, completion: Completion, ask: Ask) -> tuple[str, str | None]:
        return parse(completion)


def code_of(response: str) -> str:
    """Return the first fenced block of a response, or the complete response without fences."""
    fenced = _FENCED.search(response)
    return fenced[1] if fenced else response


def snippet(code: str, longest: int, randomness: random.Random) -> str:
    """Return 1 to `longest` consecutive lines, the first of them not blank."""
    lines = code.splitlines()
    start = randomness.choice([number for number, line in enumerate(lines) if line.strip()])
    size = randomness.randint(1, min(longest, len(lines) - start))
    return "\n".join(lines[start : start + size]).rstrip()


def parse(completion: Completion) -> tuple[str, str | None]:
    """Return the task of an answer, and the reason if it lacks a task or a solution."""
    instruction, found, solution = completion.text.partition(SEPARATOR)
    instruction = instruction.strip()
    if not found:
        return instruction, "truncated" if completion.truncated else "no solution"
    if not instruction:
        return instruction, "empty"
    if not solution.strip():
        return instruction, "empty solution"
    return instruction, None
