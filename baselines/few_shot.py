"""Few-shot sampling: references in the prompt, sampled for each request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.base import at_least, draw
from baselines.independent import Ask, Independent, IndependentConfig, user_turn, whole
from baselines.prompting import fill, numbered, pair_messages
from domino.records import Sampling
from domino.synthesizer import RequestProfile, plain_responses

if TYPE_CHECKING:
    from domino.engines.base import Completion

_NUMBER = re.compile(r"^(\d+)\.\s+", re.MULTILINE)


def prompt(examples: Sequence[str]) -> str:
    """Return the user turn that shows instructions and asks for one more."""
    return fill("few_shot", examples=numbered(examples))


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShotConfig(IndependentConfig):
    """Options of few-shot sampling.

    Attributes:
        examples: references in each request; all of them if there are fewer.
    """

    examples: int = 3

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        IndependentConfig.__post_init__(self)
        at_least(self, examples=1)


class FewShot(Independent[FewShotConfig]):
    """In-context examples, one new instruction for each request.

    If references are instructions only, they form a list in one user turn, and the answer is the
    new instruction. If they are pairs, they are turns of a chat, and a further user turn is
    sampled; responses are then also generated with references in the prompt.

    There is no single original algorithm. An ill-formed answer is truncated, empty, contains
    several tasks, or has a wrong number.
    """

    name: ClassVar[str] = "few-shot"
    config_class: ClassVar[type[FewShotConfig]] = FewShotConfig
    profile: ClassVar[RequestProfile] = RequestProfile(shown=3, words=40)

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer with references in the prompt if they are pairs, else without context."""
        if self.domain.template == "instruction":
            return plain_responses(self.engine, instructions, sampling)
        return self._respond_behind(self.config.examples, instructions, sampling)

    def _ask(self, number: int, attempt: int, sampling: Sampling) -> Ask:
        randomness = self._random(sampling, "examples", number, attempt)
        examples = draw(self.domain.references, self.config.examples, randomness)
        parents = tuple(example.id for example in examples)
        if self.domain.template == "pair":
            return Ask(self.engine.render(pair_messages(examples), open_user_turn=True), parents)
        text = prompt([example.instruction for example in examples])
        return Ask(self.engine.render([{"role": "user", "content": text}]), parents)

    def _read(self, completion: Completion, ask: Ask) -> tuple[str, str | None]:
        if self.domain.template == "pair":
            return user_turn(self.engine, completion)
        return parse(completion, len(ask.parents))


def parse(completion: Completion, listed: int) -> tuple[str, str | None]:
    """Return the instruction of an answer, and the reason if it is ill-formed.

    After `listed` numbered examples an answer may carry the next number, and no other.
    """
    text, reason = whole(completion)
    if reason:
        return text, reason
    numbers = _NUMBER.findall(text)
    if len(numbers) > 1:
        return text, "several tasks"
    if not numbers or not _NUMBER.match(text):
        return text, None
    if int(numbers[0]) != listed + 1:
        return text, "wrong number"
    return _NUMBER.sub("", text, count=1), None
