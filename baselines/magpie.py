"""Magpie: continues the chat template's user turn, alone or after a description of the domain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.base import Draft, at_least, draw
from baselines.independent import Ask, Independent, IndependentConfig, user_turn, whole
from baselines.prompting import fill, numbered, one_line
from domino.engines.base import Message
from domino.records import Sampling, derive_seed
from domino.synthesizer import RequestProfile, plain_responses

if TYPE_CHECKING:
    from domino.engines.base import Completion


def describe_prompt(instructions: Sequence[str]) -> str:
    """Return the user turn that asks what tasks have in common."""
    return fill("describe", examples=numbered(instructions))


def system_prompt(description: str) -> str:
    """Return the system turn with a description; empty without one."""
    return fill("described_system", description=description) if description else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MagpieConfig(IndependentConfig):
    """Options of Magpie; they are for the forms that induce a description.

    Attributes:
        examples: references that a description is induced from.
        description_tokens: the longest description; the harness's limits are for tasks.
        description_tries: draws of references before the method gives up on a description.
    """

    examples: int = 4
    description_tokens: int = 256
    description_tries: int = 8

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        IndependentConfig.__post_init__(self)
        at_least(self, examples=1, description_tokens=1, description_tries=1)


class Magpie(Independent[MagpieConfig]):
    """Plain Magpie (arXiv 2406.08464): samples the user turn of the bare chat template.

    It sees no reference. Departures from the authors' program, and why:

    - Temperature, top-p and limits are the harness's; so are the grades, the refusal of repeated
      tasks and the responses, which are one rule for all methods. The authors judge near
      duplicates by the distance of sentence embeddings; here they are judged by text.
    - An empty or unfinished turn, or one that ends in a colon (it announces an input that never
      comes), is asked for again instead of filtered at the end, so that the count is reached.
    """

    name: ClassVar[str] = "magpie"
    config_class: ClassVar[type[MagpieConfig]] = MagpieConfig
    needs_turns: ClassVar[bool] = True
    profile: ClassVar[RequestProfile] = RequestProfile(words=4)

    def _system(self) -> list[Message]:
        """Return the messages before the open user turn."""
        return []

    def _ask(self, number: int, attempt: int, sampling: Sampling) -> Ask:
        return Ask(self.engine.render(self._system(), open_user_turn=True))

    def _read(self, completion: Completion, ask: Ask) -> tuple[str, str | None]:
        text, reason = user_turn(self.engine, completion)
        return text, reason or ("trailing colon" if text.endswith(":") else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedDescription:
    """The description of the domain that a method gets.

    Attributes:
        description: its text; "" if the backbone gave none.
        author: "user" or "backbone".
        references: ids of the references that the backbone described.
    """

    description: str
    author: str
    references: tuple[str, ...] = ()


class MagpieDescribed(Magpie):
    """Magpie after a system turn that describes the domain: the first of two forms in the paper.

    The description is the user's. Without one it is induced, as in the other form: before
    synthesis the backbone is asked, greedily, what a few references have in common. Both are
    recorded in `method.json`. The authors' system prompts name a field ("coding", "mathematics");
    here the description is of one domain. Other departures: `Magpie`.
    """

    name: ClassVar[str] = "magpie-described"
    reads_description: ClassVar[bool] = True
    profile: ClassVar[RequestProfile] = RequestProfile(words=60)
    _used = UsedDescription(description="", author="")

    @property
    def description(self) -> str:
        """The text of the system turn."""
        return self._used.description

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer after the same system turn."""
        system = system_prompt(self.description)
        return plain_responses(self.engine, instructions, sampling, system=system)

    def _learn(self) -> None:
        given = one_line(self.domain.description)
        users = UsedDescription(description=given, author="user")
        self._used = users if given else self._induced()

    def _induced(self) -> UsedDescription:
        """Ask for a description of a few references; of others if the answer is ill-formed."""
        seed = self._require_fit()[1].seed
        greedy = Sampling(temperature=0.0, max_new_tokens=self.config.description_tokens, seed=seed)
        for attempt in range(self.config.description_tries):
            randomness = self._random(greedy, "describe", attempt)
            shown = draw(self.domain.references, self.config.examples, randomness)
            request = self._user_turn(
                describe_prompt([reference.instruction for reference in shown]),
                derive_seed(seed, self.name, "describe", attempt),
            )
            (completion,) = self._generate([request], greedy)
            text, reason = whole(completion)
            if reason is None:
                ids = tuple(reference.id for reference in shown)
                return UsedDescription(
                    description=one_line(text), author="backbone", references=ids
                )
        return UsedDescription(description="", author="backbone")

    def _memory(self) -> dict[str, Any]:
        return dataclasses.asdict(self._used)

    def _remember(self, memory: Mapping[str, Any]) -> None:
        self._used = UsedDescription(**{**memory, "references": tuple(memory["references"])})

    def _system(self) -> list[Message]:
        return [{"role": "system", "content": system_prompt(self.description)}]

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        if not self.description:
            tries = self.config.description_tries
            self._stop(f"the backbone gave no description in {tries} tries: give --description")
            return iter(())
        return super()._drafts(count, sampling, first)

    def _ask(self, number: int, attempt: int, sampling: Sampling) -> Ask:
        prompt = self.engine.render(self._system(), open_user_turn=True)
        return Ask(prompt, self._used.references)


class MagpieInduced(MagpieDescribed):
    """Magpie after a description that the backbone writes, even if the user gave one.

    The second of two forms in the paper. Departures: `MagpieDescribed`.
    """

    name: ClassVar[str] = "magpie-induced"
    reads_description: ClassVar[bool] = False
    profile: ClassVar[RequestProfile] = RequestProfile(words=100)

    def _learn(self) -> None:
        self._used = self._induced()
