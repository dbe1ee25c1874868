"""The Synthesizer interface: every method, DOMINO and baselines alike, is one of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from domino.engines.base import Request
from domino.records import Reference, Sampling, Synthetic, derive_seed

if TYPE_CHECKING:
    from domino.engines.base import Engine

Template = Literal["instruction", "pair"]
"""What a track's references give: the instruction alone, or instruction and response."""


class SynthesisError(RuntimeError):
    """A method cannot go on: says why, with the count it reached and what to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """All that a method may know of a domain.

    Attributes:
        references: the examples, with responses where `template` is "pair".
        template: which fields of a reference a method may use.
        description: words about the domain for deductive methods ("" where the user gave none).
    """

    references: tuple[Reference, ...]
    template: Template = "instruction"
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse a domain that nothing can be learned from."""
        if len(self.references) < 2:
            raise SynthesisError(
                f"a domain needs at least 2 references, got {len(self.references)}: "
                "add examples, or raise --references"
            )
        missing = [r.id for r in self.references if self.template == "pair" and not r.response]
        if missing:
            raise SynthesisError(
                f"template 'pair' needs a response in every reference; {len(missing)} have none, "
                f"the first is {missing[0]!r}: add responses, or use template 'instruction'"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class FitContext:
    """The context that the harness gives to `fit`.

    Attributes:
        engine: generates text with the frozen backbone.
        model: directory or hub name of the backbone, for methods that train on it.
        seed: base seed of this run.
        log: called with (metrics by name, step); curves are logged to MLflow.
        sampling: how the harness will sample instructions, for methods that evaluate their own
            samples during the fit; None if they must not.
        scratch: checkpoint directory for resuming an interrupted fit, removed when the method is
            saved; None if there is none.
        notify: called with one line of text for the user during the fit.
        attention: implementation of attention, for methods that load the backbone themselves.
    """

    engine: Engine
    model: str
    seed: int
    log: Callable[[Mapping[str, float], int], None] = field(default=lambda metrics, step: None)
    sampling: Sampling | None = None
    scratch: Path | None = None
    notify: Callable[[str], None] = field(default=lambda text: None)
    attention: str = "auto"


@dataclass(kw_only=True, slots=True)
class Tally:
    """What one call of `synthesize` generated, and what the method itself refused.

    `candidates` = `kept` + the sum of `rejected`. A method may keep more than it was asked to
    yield, because it generates in batches.

    Attributes:
        requests: completions asked of the engine, those of a method's own judge included.
        candidates: instructions (or attempts at one) found in the completions.
        kept: candidates that passed the method's own rules.
        tokens: generated tokens of all completions.
        rejected: candidates refused, by reason.
        stopped: why the method stopped before the count it was asked for, "" where it did not.
    """

    requests: int = 0
    candidates: int = 0
    kept: int = 0
    tokens: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    def count(self, reason: str | None) -> bool:
        """Count one candidate as kept (no reason) or rejected, and say whether it was kept."""
        self.candidates += 1
        if reason is None:
            self.kept += 1
        else:
            self.rejected[reason] += 1
        return reason is None

    def metrics(self) -> dict[str, float]:
        """Return the numbers under names that a tracker accepts."""
        names = ("requests", "candidates", "kept", "tokens")
        numbers = {name: float(getattr(self, name)) for name in names}
        rejected = {
            f"rejected/{reason.replace(' ', '_')}": float(count)
            for reason, count in sorted(self.rejected.items())
        }
        return numbers | rejected | {"stopped_early": float(bool(self.stopped))}


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestProfile:
    """What a method asks the engine for, for each instruction that it draws: for `--plan`.

    Attributes:
        requests: completions asked for.
        shown: references in a prompt.
        words: tokens of a prompt's own wording.
        lengths: new tokens of a completion, as a multiple of an instruction's.
        responses: new tokens of a completion, as a multiple of a response's, in addition.
        fit: what it trains before it draws: nothing, soft tokens of a domain (with the options of
            `FitConfig`), or soft prompts that depend on a reference (with SoftSRV's options).
        source: how this is known.
    """

    requests: float = 1.0
    shown: float = 0.0
    words: float = 0.0
    lengths: float = 1.0
    responses: float = 0.0
    fit: Literal["none", "domain tokens", "contextual prompts"] = "none"
    source: str = "as the method works"


class Synthesizer(ABC):
    """Learns a domain from references (`fit`), then yields new data of it (`synthesize`)."""

    name: ClassVar[str]
    synthesizes: ClassVar[bool] = True
    """False for rows that add no new instruction: no data, references only."""
    trains: ClassVar[bool] = True
    """False for the row that is fine-tuned on nothing: no data."""
    keeps_responses: ClassVar[bool] = False
    """True where records bring the response that counts: references, and the harness's controls."""
    needs_turns: ClassVar[bool] = False
    """True where the method means nothing without the backbone's own chat template."""
    reads_description: ClassVar[bool] = True
    """False where `Domain.description` changes nothing: runs that differ in it share its stages."""
    profile: ClassVar[RequestProfile] = RequestProfile(
        shown=3, words=40, source="assumed: the method declares none"
    )
    """What it asks the engine for, for `--plan`."""

    @property
    def description(self) -> str:
        """Words about the domain that the method works with, "" where it works without any."""
        return ""

    @abstractmethod
    def fit(self, domain: Domain, context: FitContext) -> None:
        """Learn the domain. Never sees development or test problems."""

    @abstractmethod
    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Yield at most `count` records, each as soon as it is made, numbered from `first`.

        The same seed, `first` and count give the same data, and a second call with
        `first=count` continues it with new records. A method that runs dry (its own filters refuse
        too much) stops early and says why in its `tally`; the harness counts what is missing.
        """

    def tally(self) -> Tally:
        """Return what the latest call of `synthesize` refused, and why it stopped early.

        A method that refuses nothing itself returns an empty tally.
        """
        return Tally()

    @abstractmethod
    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer instructions behind the method's own conditioning, one response each, in order.

        Methods without a conditioning of their own return `plain_responses`.
        """

    def findings(self) -> Mapping[str, float]:
        """Return what the fit found out about itself, by name; nothing where it says nothing."""
        return {}

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write all that `synthesize` and `respond` need, the backbone excepted."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote; the loaded method yields the same data."""


def plain_responses(
    engine: Engine, instructions: Sequence[str], sampling: Sampling, *, system: str = ""
) -> list[str]:
    """Answer each instruction in one user turn, with nothing else in the context."""
    requests = [plain_request(engine, one, sampling, system=system) for one in instructions]
    return [completion.text for completion in engine.generate(requests, sampling)]


def plain_request(
    engine: Engine, instruction: str, sampling: Sampling, *, system: str = ""
) -> Request:
    """Return the request for a response; its seed is of the sampling's and of the instruction."""
    lead = [{"role": "system", "content": system}] if system else []
    return Request(
        prompt=engine.render([*lead, {"role": "user", "content": instruction}]),
        seed=derive_seed(sampling.seed, "respond", instruction),
    )
