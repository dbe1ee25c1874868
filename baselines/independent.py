"""Methods whose records are independent: one request per record, repeated on failure.

Few-shot sampling, Magpie and OSS-Instruct are of this kind.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from baselines.base import Baseline, Draft, at_least
from domino.engines.base import Request
from domino.engines.chat import SENTINEL
from domino.records import Sampling, derive_seed

if TYPE_CHECKING:
    from domino.engines.base import Completion, Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class IndependentConfig:
    """Options of these methods.

    Attributes:
        tries: requests for one record before the method gives up.
        requests_per_call: requests sent to the engine together; the data do not depend on it.
    """

    tries: int = 32
    requests_per_call: int = 128

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, tries=1, requests_per_call=1)


IndependentT = TypeVar("IndependentT", bound=IndependentConfig)


@dataclass(frozen=True, slots=True)
class Ask:
    """A complete prompt, and the ids of the references that it shows."""

    prompt: str
    parents: tuple[str, ...] = ()


@dataclass(slots=True)
class _Slot:
    """One record in the making: what its requests so far gave and cost."""

    instruction: str | None = None
    parents: tuple[str, ...] = ()
    tokens: int = 0


class Independent(Baseline[IndependentT]):
    """Makes one request per record, and another one with a new sample if the answer is ill-formed.

    An ill-formed answer is dropped and counted; the cost of failed tries belongs to their record.
    A record's requests depend on its number alone, so a continuation with `first` generates
    nothing twice.
    """

    @abstractmethod
    def _ask(self, number: int, attempt: int, sampling: Sampling) -> Ask:
        """Return what is asked for a record at an attempt."""

    @abstractmethod
    def _read(self, completion: Completion, ask: Ask) -> tuple[str, str | None]:
        """Return the instruction of an answer, and the reason if it is ill-formed."""

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
            asks = [self._ask(number, attempt, sampling) for number in missing]
            requests = [
                Request(
                    prompt=ask.prompt, seed=derive_seed(sampling.seed, self.name, number, attempt)
                )
                for number, ask in zip(missing, asks, strict=True)
            ]
            completions = self._generate(requests, sampling)
            for number, ask, completion in zip(missing, asks, completions, strict=True):
                self._take(slots[number], ask, completion)
        return list(slots.values())

    def _take(self, slot: _Slot, ask: Ask, completion: Completion) -> None:
        instruction, reason = self._read(completion, ask)
        slot.tokens += completion.tokens
        if self.counts.count(reason):
            slot.instruction, slot.parents = instruction, ask.parents


def whole(completion: Completion) -> tuple[str, str | None]:
    """Return the text of an answer, and the reason if it is truncated or empty."""
    text = completion.text.strip()
    if completion.truncated:
        return text, "truncated"
    return text, None if text else "empty"


def user_turn(engine: Engine, completion: Completion) -> tuple[str, str | None]:
    """Return the instruction that continues an open user turn, and the reason if it is ill-formed.

    Some templates end a user turn by the next turn's marker alone, so that generation goes on
    into an answer: that is cut off.
    """
    rendered = engine.render([{"role": "user", "content": SENTINEL}])
    marker = rendered.partition(SENTINEL)[2].strip()
    text, ended, _ = completion.text.partition(marker) if marker else (completion.text, "", "")
    return whole(replace(completion, text=text, truncated=completion.truncated and not ended))
