"""Base class of the baselines: references, numbering, counts, saving, loading."""

from __future__ import annotations

import dataclasses
import json
import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from baselines.prompting import pair_messages
from domino.engines.base import Request
from domino.records import (
    Provenance,
    Reference,
    Sampling,
    Synthetic,
    derive_seed,
    stable_id,
)
from domino.synthesizer import (
    Domain,
    FitContext,
    SynthesisError,
    Synthesizer,
    Tally,
    plain_responses,
)

if TYPE_CHECKING:
    from domino.engines.base import Completion, Engine

METHOD_FILE = "method.json"
REJECTIONS_FILE = "rejections.json"

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A new instruction before it is numbered; `tokens` is its cost."""

    instruction: str
    response: str | None = None
    round: int = 0
    parents: tuple[str, ...] = ()
    tokens: int = 0


def spread(tokens: int, shares: int) -> list[int]:
    """Split a cost into `shares` parts that differ by at most one and add up to it."""
    return [tokens // shares + (part < tokens % shares) for part in range(shares)]


class Baseline(Synthesizer, Generic[ConfigT]):
    """Stores the domain, learns what else the method needs, and yields numbered drafts.

    `counts` reports the latest call of `synthesize`, and what `fit` generated before it: to the
    log when the call ends, and in `rejections.json` when the method is saved afterwards. What
    `fit` generated is charged to record 0.
    """

    config_class: ClassVar[type[Any]]
    reads_description: ClassVar[bool] = False

    def __init__(self, config: ConfigT | None = None) -> None:
        self.config: ConfigT = self.config_class() if config is None else config
        self.counts = Tally()
        self._learned = Tally()
        self._fitted: tuple[Domain, FitContext] | None = None

    def fit(self, domain: Domain, context: FitContext) -> None:
        """Store the references, and learn what else the method needs."""
        self._fitted = (domain, context)
        self.counts = Tally()
        self._learn()
        self._learned, self.counts = self.counts, Tally()

    @property
    def domain(self) -> Domain:
        """The domain given to `fit`."""
        return self._require_fit()[0]

    @property
    def engine(self) -> Engine:
        """The engine given to `fit`."""
        return self._require_fit()[1].engine

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Yield at most `count` records numbered from `first`.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context = self._require_fit()[1]
        self.counts = Tally(requests=self._learned.requests, tokens=self._learned.tokens)
        number = first
        for draft in islice(self._drafts(count, sampling, first), max(count, 0)):
            yield self._record(draft, number, sampling)
            number += 1
        context.log(self.counts.metrics(), number)

    def tally(self) -> Tally:
        """Return the counts of the latest call of `synthesize`."""
        return self.counts

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer with nothing else in the context."""
        return plain_responses(self.engine, instructions, sampling)

    def save(self, directory: Path) -> None:
        """Write the config, the domain and what was learned to `method.json`.

        After a call of `synthesize`, its counts are written to `rejections.json` as well.
        """
        directory.mkdir(parents=True, exist_ok=True)
        method = {
            "method": self.name,
            "config": dataclasses.asdict(self.config),  # type: ignore[call-overload]
            "domain": dataclasses.asdict(self.domain),
            "learned": self._memory(),
            "learned_by": {"requests": self._learned.requests, "tokens": self._learned.tokens},
        }
        _write(directory / METHOD_FILE, method)
        if self.counts != Tally():
            counts = {f.name: getattr(self.counts, f.name) for f in dataclasses.fields(Tally)}
            _write(directory / REJECTIONS_FILE, counts)

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote.

        Raises:
            SynthesisError: the directory contains another method.
        """
        values = json.loads((directory / METHOD_FILE).read_text(encoding="utf-8"))
        if values["method"] != cls.name:
            raise SynthesisError(
                f"{directory} contains the method {values['method']!r}, not {cls.name!r}: "
                "load it with the class that saved it"
            )
        method = cls(cls.config_class(**values["config"]))
        references = tuple(map(Reference.from_dict, values["domain"].pop("references")))
        method._fitted = (Domain(references=references, **values["domain"]), context)
        method._learned = Tally(**values["learned_by"])
        method._remember(values["learned"])
        return method

    def _learn(self) -> None:
        """Learn from the domain what else synthesis needs; most methods need nothing.

        There is no `Sampling` before synthesis, so requests here are answered greedily.
        """

    def _memory(self) -> dict[str, Any]:
        """Return the result of `_learn` as plain JSON values."""
        return {}

    def _remember(self, memory: Mapping[str, Any]) -> None:
        """Restore the result of `_memory`."""

    @abstractmethod
    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        """Yield the drafts numbered `first`, `first + 1`, ...; about `count` will be taken."""

    def _require_fit(self) -> tuple[Domain, FitContext]:
        if self._fitted is None:
            raise SynthesisError(f"{self.name}: not fitted: call fit or load first")
        return self._fitted

    def _id(self, number: int, sampling: Sampling) -> str:
        return stable_id(self.name, sampling.seed, number)

    def _record(self, draft: Draft, number: int, sampling: Sampling) -> Synthetic:
        return Synthetic(
            id=self._id(number, sampling),
            instruction=draft.instruction,
            response=draft.response,
            provenance=Provenance(
                method=self.name,
                seed=sampling.seed,
                round=draft.round,
                parents=draft.parents,
                tokens=draft.tokens + (self._learned.tokens if number == 0 else 0),
            ),
        )

    def _random(self, sampling: Sampling, *labels: str | int) -> random.Random:
        return random.Random(derive_seed(sampling.seed, self.name, *labels))

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        completions = self.engine.generate(requests, sampling) if requests else []
        self.counts.requests += len(requests)
        self.counts.tokens += sum(completion.tokens for completion in completions)
        return completions

    def _user_turn(self, text: str, seed: int) -> Request:
        prompt = self.engine.render([{"role": "user", "content": text}])
        return Request(prompt=prompt, seed=seed)

    def _respond_behind(
        self, examples: int, instructions: Sequence[str], sampling: Sampling
    ) -> list[str]:
        """Answer each instruction behind references drawn for it, as turns of a chat."""
        requests = []
        for instruction in instructions:
            labels = ("respond", instruction)
            shown = draw(self.domain.references, examples, self._random(sampling, *labels))
            turns = [*pair_messages(shown), {"role": "user", "content": instruction}]
            seed = derive_seed(sampling.seed, self.name, *labels)
            requests.append(Request(prompt=self.engine.render(turns), seed=seed))
        return [completion.text for completion in self.engine.generate(requests, sampling)]

    def _stop(self, reason: str) -> None:
        self.counts.stopped = reason


def _write(file: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")


def draw(references: Sequence[Reference], count: int, randomness: random.Random) -> list[Reference]:
    """Draw references without replacement: `count`, or all where there are fewer."""
    return randomness.sample(references, min(count, len(references)))


def at_least(config: object, **limits: float) -> None:
    """Check that each named field of a config is at least its limit.

    Raises:
        ValueError: names the config, the field, its value and the limit.
    """
    for name, limit in limits.items():
        value = getattr(config, name)
        if value < limit:
            raise ValueError(f"{type(config).__name__}.{name} is {value}: give at least {limit}")
