"""What stands around a content where a model is asked, and what of its answer counts.

A content is what references, synthetic instructions and problems consist of: methods see nothing
else. The protocol's sentences, the beginning of the answer that is given to the model, its stop
strings and limits are the same for every method, in responses, fine-tuning and evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from domino.engines.base import EngineError, Message, Request

if TYPE_CHECKING:
    from domino.engines.base import Engine
    from domino.records import Sampling

Solved = tuple[str, str]
"""A content, and the response to it."""

Render = Callable[..., str]
"""`Engine.render`: from turns and a prefill to text."""


def _same(text: str) -> str:
    return text


def _behind(content: str, response: str) -> str:
    return response


def _plain_turn(content: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": content},)


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a model is asked for the solution of a content.

    Attributes:
        turns: the chat turns before the answer; by default a user turn that is the content.
        prefill: what the assistant's turn is given to begin with.
        closing: what ends the assistant's turn behind an answer, where it is shown complete.
        text: of a direct completion, the text that the model goes on with; None where it is asked
            in turns.
        continues: whether that text is the beginning of the program itself.
        stop: strings that end an answer.
        max_new_tokens: limit of an answer's tokens; None where the tool has none of its own.
        special_tokens: whether the tool lets the tokenizer put its special tokens before a prompt.
        clean: what the tool does to an answer before it looks for the program.
        answer: what stands behind the prefill, from (content, response).
        is_official: whether it is a benchmark's own, before which no solved contents are put.
    """

    turns: Callable[[str], tuple[Message, ...]] = _plain_turn
    prefill: str = ""
    closing: str = ""
    text: Callable[[str], str] | None = None
    continues: bool = False
    stop: tuple[str, ...] = ()
    max_new_tokens: int | None = None
    special_tokens: bool = False
    clean: Callable[[str], str] = field(default=_same)
    answer: Callable[[str, str], str] = field(default=_behind)
    is_official: bool = False

    def prompt(self, render: Render, content: str, shots: Sequence[Solved] = ()) -> tuple[str, str]:
        """Return the text that is asked with, and the prefill that ends it.

        Args:
            render: an engine's, or that of a tokenizer.
            content: what is to be solved.
            shots: solved contents that stand before it.

        Raises:
            EngineError: the chat template refuses the turns.
        """
        if self.text is not None:
            return "".join(map(self._solved_text, shots)) + self.text(content), ""
        turns = [*self._shown(shots), *self.turns(content)]
        if shots:  # one system turn, and that first
            turns = [t for n, t in enumerate(turns) if n == 0 or t["role"] != "system"]
        rendered = _rendered(render, turns, self.prefill)
        if self.prefill and rendered.endswith(self.prefill):
            return rendered.removesuffix(self.prefill), self.prefill
        return rendered, ""

    def request(
        self, engine: Engine, content: str, seed: int, shots: Sequence[Solved] = ()
    ) -> Request:
        """Return the request for an answer; see `prompt`."""
        prompt, prefill = self.prompt(engine.render, content, shots)
        return Request(
            prompt=prompt, prefill=prefill, seed=seed, special_tokens=self.special_tokens
        )

    def sampling(self, sampling: Sampling) -> Sampling:
        """Return how an answer is sampled: as given, until the protocol's stop strings too."""
        stop = tuple(dict.fromkeys([*sampling.stop, *self.stop]))
        return replace(sampling, stop=stop)

    def solution(self, content: str, completion: str) -> str:
        """Return the text in which the tool looks for a program."""
        cleaned = self.clean(completion)
        return self.text(content) + cleaned if self.text and self.continues else cleaned

    def closed(self, content: str, response: str) -> str:
        """Return an answer with what ends it, as it follows the prefill."""
        return self.answer(content, response) + self.closing

    def conversation(self, content: str, response: str) -> list[Message]:
        """Return the turns with the answer to them."""
        answer = self.prefill + self.closed(content, response)
        return [*self.turns(content), {"role": "assistant", "content": answer}]

    def _shown(self, shots: Sequence[Solved]) -> list[Message]:
        return [turn for shot in shots for turn in self.conversation(*shot)]

    def _solved_text(self, shot: Solved) -> str:
        content, response = shot
        text = self.text(content) if self.text else content
        return f"{text}{self.closed(content, response)}\n\n"


PLAIN = Protocol()
"""A user turn that is the content, and nothing else."""


def without_system(turns: Sequence[Message]) -> list[Message]:
    """Return turns whose system message, if any, begins the user's first turn instead."""
    if len(turns) < 2 or turns[0]["role"] != "system":
        return list(turns)
    system, first, *others = turns
    return [{"role": "user", "content": f"{system['content']}\n{first['content']}"}, *others]


def _rendered(render: Render, turns: Sequence[Message], prefill: str) -> str:
    """Render the turns; a template without system turns gets that text in the user's."""
    try:
        return render(turns, prefill=prefill)
    except EngineError:
        if turns[0]["role"] != "system":
            raise
        return render(without_system(turns), prefill=prefill)
