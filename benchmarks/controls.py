"""Rows without a synthesis method, which say what the measurements can show at all.

*ceiling* is fine-tuned on right pairs of the domain that no method is given: where it does not beat
no data, no method can. *recombined* has right pairs made only of what the references show: a method
that is better has gone beyond them. *shuffled-responses*, *other-domain* and *plain-wording* must
not help: right instructions with the responses of others, right pairs of another domain, and the
tasks of the ceiling in other words than the domain's. *teacher* solves the test problems itself,
without any fine-tuning: what a teacher's responses could give at best.
"""

from __future__ import annotations

import dataclasses
import json
import random
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from domino.records import Provenance, Reference, Sampling, Synthetic, derive_seed
from domino.synthesizer import (
    Domain,
    FitContext,
    RequestProfile,
    SynthesisError,
    Synthesizer,
    Tally,
    plain_responses,
)

if TYPE_CHECKING:
    from benchmarks.suites.base import Suite

PAIRS_FILE = "pairs.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlConfig:
    """Controls have no options."""


class Control(Synthesizer):
    """Yields pairs that the suite provides, in an order that depends on the seed."""

    keeps_responses: ClassVar[bool] = True
    reads_description: ClassVar[bool] = False
    config_class: ClassVar[type[ControlConfig]] = ControlConfig
    profile: ClassVar[RequestProfile] = RequestProfile(requests=0.0)

    def __init__(self, config: ControlConfig | None = None) -> None:
        self._suite: Suite | None = None
        self._pairs: Sequence[Reference] = ()
        self._context: FitContext | None = None
        self._tally = Tally()

    def open_suite(self, suite: Suite) -> None:
        """Take the suite, which no other method sees; the harness calls this before `fit`."""
        self._suite = suite

    def fit(self, domain: Domain, context: FitContext) -> None:
        """Choose the pairs.

        Raises:
            SynthesisError: the suite has none beyond the references of the run.
        """
        if self._suite is None:
            raise SynthesisError(f"{self.name}: the harness gives it no suite")
        found = self.available(self._suite, domain.references)
        seed = derive_seed(context.seed, self.name)
        self._pairs = self._arrange(random.Random(seed).sample(found, len(found)))
        self._context = context

    @classmethod
    def available(cls, suite: Suite, references: Sequence[Reference]) -> list[Reference]:
        """Return the pairs that a run with these references can take.

        Raises:
            SynthesisError: the suite has none beyond the references.
        """
        given = {reference.id for reference in references}
        found = [pair for pair in cls._choose(suite, references) if pair.id not in given]
        if len(found) < 2:
            raise SynthesisError(
                f"{cls.name}: {suite.name} has {len(found)} such pairs with responses beyond the "
                f"{len(given)} references of the run: leave this row out, or lower --references"
            )
        return found

    @classmethod
    @abstractmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        """Return the suite's pairs; `references` are those of the row."""

    def _arrange(self, pairs: Sequence[Reference]) -> Sequence[Reference]:
        return pairs

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Yield the pairs numbered from `first`; each comes once."""
        self._tally = Tally()
        for number, pair in enumerate(self._pairs[first : first + count], first):
            self._tally.count(None)
            yield Synthetic(
                id=f"{self.name}-{number}",
                instruction=pair.instruction,
                response=pair.response,
                provenance=Provenance(method=self.name, seed=sampling.seed, parents=(pair.id,)),
            )
        if first + count > len(self._pairs):
            self._tally.stopped = f"the suite has {len(self._pairs)} such pairs"

    def tally(self) -> Tally:
        """Return the counts of the latest call of `synthesize`."""
        return self._tally

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer with nothing else in the context; the pairs have responses of their own."""
        if self._context is None:
            raise SynthesisError(f"{self.name}: not fitted: call fit or load first")
        return plain_responses(self._context.engine, instructions, sampling)

    def save(self, directory: Path) -> None:
        """Write the pairs in their order."""
        directory.mkdir(parents=True, exist_ok=True)
        values = [dataclasses.asdict(pair) for pair in self._pairs]
        (directory / PAIRS_FILE).write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote."""
        values = json.loads((directory / PAIRS_FILE).read_text(encoding="utf-8"))
        loaded = cls()
        loaded._pairs = tuple(map(Reference.from_dict, values))
        loaded._context = context
        return loaded


class Ceiling(Control):
    """Right pairs of the domain: what the best synthesis could give."""

    name: ClassVar[str] = "ceiling"

    @classmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        return suite.right_pairs()


class ShuffledResponses(Ceiling):
    """The same instructions, each with the response to another: must not help."""

    name: ClassVar[str] = "shuffled-responses"

    def _arrange(self, pairs: Sequence[Reference]) -> Sequence[Reference]:
        others = [*pairs[1:], pairs[0]]
        return [
            dataclasses.replace(pair, response=other.response)
            for pair, other in zip(pairs, others, strict=True)
        ]


class OtherDomain(Control):
    """Right pairs of another domain of the suite: training as such, without this domain."""

    name: ClassVar[str] = "other-domain"

    @classmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        return suite.other_pairs()


class Recombined(Control):
    """Right pairs made only of what the references show."""

    name: ClassVar[str] = "recombined"

    @classmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        return suite.recombined_pairs(references)


class PlainWording(Control):
    """Right pairs of the domain's tasks, in other words: the tasks as such, without the domain."""

    name: ClassVar[str] = "plain-wording"

    @classmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        return suite.plain_pairs()


class Teacher(Control):
    """The teacher itself solves the test problems: nothing is drawn and nothing is trained."""

    name: ClassVar[str] = "teacher"
    synthesizes: ClassVar[bool] = False
    trains: ClassVar[bool] = False

    @classmethod
    def available(cls, suite: Suite, references: Sequence[Reference]) -> list[Reference]:
        """Return none: the row needs no pairs."""
        return []

    @classmethod
    def _choose(cls, suite: Suite, references: Sequence[Reference]) -> Sequence[Reference]:
        return ()
