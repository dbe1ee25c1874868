"""Few-shot sampling: some references in the prompt, drawn anew for each request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.base import Baseline, Draft, at_least, draw
from baselines.prompting import fill, numbered, pair_messages
from domino.engines.base import Request
from domino.records import Sampling, derive_seed
from domino.synthesizer import plain_responses

if TYPE_CHECKING:
    from domino.engines.base import Completion
    from domino.records import Reference

_NUMBER = re.compile(r"^(\d+)\.\s+", re.MULTILINE)


def prompt(examples: Sequence[str]) -> str:
    """Return the user turn that shows instructions and asks for one more."""
    return fill("few_shot", examples=numbered(examples))


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShotConfig:
    """Options of few-shot sampling.

    Attributes:
        examples: references shown in each request, all of them where there are fewer.
        tries: requests for one record before the method gives up.
        requests_per_call: requests sent to the engine together; the data do not depend on it.
    """

    examples: int = 3
    tries: int = 32
    requests_per_call: int = 128

    def __post_init__(self) -> None:
        """Refuse values that leave nothing to do."""
        at_least(self, examples=1, tries=1, requests_per_call=1)


@dataclass(slots=True)
class _Slot:
    """One record in the making: what its requests so far gave and cost."""

    instruction: str | None = None
    parents: tuple[str, ...] = ()
    tokens: int = 0


class FewShot(Baseline[FewShotConfig]):
    """In-context examples, one new instruction for each request.

    Where references are instructions alone, a list of them stands in one user turn and the answer
    is the new instruction. Where they are pairs, they are turns of a chat and a further user turn
    is sampled; responses then come behind references as well.

    There is no one algorithm of record to depart from. An ill-formed answer (cut off, empty,
    several tasks, a wrong number) is dropped, counted, and asked for again with other examples,
    up to `tries` times; every record is charged for its own failed tries. A record's requests
    depend on its number alone, so a continuation with `first` generates nothing twice.
    """

    name: ClassVar[str] = "few-shot"
    config_class: ClassVar[type[FewShotConfig]] = FewShotConfig

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer behind references where they are pairs, else with nothing in the context."""
        if self.domain.template == "instruction":
            return plain_responses(self.engine, instructions, sampling)
        return self._respond_behind(self.config.examples, instructions, sampling)

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        last = first + count
        for start in range(first, last, self.config.requests_per_call):
            numbers = range(start, min(start + self.config.requests_per_call, last))
            for number, slot in zip(numbers, self._fill(numbers, sampling), strict=True):
                if slot.instruction is None:
                    self._stop(f"record {number} had {self.config.tries} ill-formed answers")
                    return
                yield Draft(instruction=slot.instruction, parents=slot.parents, tokens=slot.tokens)

    def _fill(self, numbers: range, sampling: Sampling) -> list[_Slot]:
        """Ask for every number until each has an instruction or no tries left."""
        slots = {number: _Slot() for number in numbers}
        for attempt in range(self.config.tries):
            missing = [number for number, slot in slots.items() if slot.instruction is None]
            if not missing:
                break
            shown = [self._examples(number, attempt, sampling) for number in missing]
            requests = [
                self._request(examples, derive_seed(sampling.seed, self.name, number, attempt))
                for number, examples in zip(missing, shown, strict=True)
            ]
            completions = self._generate(requests, sampling)
            for number, examples, completion in zip(missing, shown, completions, strict=True):
                self._take(slots[number], examples, completion)
        return list(slots.values())

    def _examples(self, number: int, attempt: int, sampling: Sampling) -> list[Reference]:
        randomness = self._random(sampling, "examples", number, attempt)
        return draw(self.domain.references, self.config.examples, randomness)

    def _request(self, examples: Sequence[Reference], seed: int) -> Request:
        if self.domain.template == "instruction":
            return self._user_turn(prompt([example.instruction for example in examples]), seed)
        turns = pair_messages(examples)
        return Request(prompt=self.engine.render(turns, open_user_turn=True), seed=seed)

    def _take(self, slot: _Slot, examples: Sequence[Reference], completion: Completion) -> None:
        listed = len(examples) if self.domain.template == "instruction" else 0
        instruction, reason = parse(completion, listed)
        slot.tokens += completion.tokens
        if self.counts.count(reason):
            slot.instruction = instruction
            slot.parents = tuple(example.id for example in examples)


def parse(completion: Completion, listed: int = 0) -> tuple[str, str | None]:
    """Return the one instruction of an answer, and the reason where it is ill-formed.

    After `listed` numbered examples an answer may carry the next number, and no other.
    """
    text = completion.text.strip()
    if completion.truncated:
        return text, "truncated"
    if not text:
        return text, "empty"
    numbers = _NUMBER.findall(text) if listed else []
    if len(numbers) > 1:
        return text, "several tasks"
    if not numbers or not _NUMBER.match(text):
        return text, None
    if int(numbers[0]) != listed + 1:
        return text, "wrong number"
    return _NUMBER.sub("", text, count=1), None
