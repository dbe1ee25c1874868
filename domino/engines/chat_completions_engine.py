"""The engine of a server that takes turns of a chat alone, by `/chat/completions`.

A text that is not rendered turns becomes one user turn. There are no token ids, no soft tokens, no
turn that is left open, and no answer that is begun for the model: a protocol's prefill is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from domino.engines.base import Completion, Engine, EngineError, Message, Request, SoftPrompt
from domino.engines.chat import SENTINEL, Thoughts
from domino.engines.encoding import Results
from domino.engines.server import SEEDS, Answer, OpenaiConfig, Server
from domino.text import UNIT_OR_SIGN

if TYPE_CHECKING:
    from domino.records import Sampling

_STOPS = 4
"""Stop strings that every server takes; the others are looked for here."""


class ChatCompletionsEngine(Engine):
    """Generates by a server's own chat; numbers of tokens are the server's, or estimates.

    Args:
        model: the name that the server knows the model by.
        config: the server.
    """

    takes_embeddings: ClassVar[bool] = False

    def __init__(self, model: str, config: OpenaiConfig | None = None) -> None:
        config = OpenaiConfig() if config is None else config
        self._server = Server(config, config.model or model, "/chat/completions")

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`.

        Raises:
            EngineError: a prompt is empty, holds soft tokens or begins the answer, or the server
                cannot be asked; see `Server.ask_all`.
        """
        results = Results(on_done, requests, Thoughts("</think>"))
        turns = [_turns(index, request) for index, request in enumerate(requests)]
        bodies = {
            index: {"messages": turns[index], **_settings(request, sampling)}
            for index, request in enumerate(requests)
        }
        self._server.ask_all(
            bodies,
            lambda index, answer: results.report(index, self._read(turns[index], answer, sampling)),
        )
        return results.in_order()

    def _read(self, turns: Sequence[Message], answer: Answer, sampling: Sampling) -> Completion:
        text, truncated = _until(answer.text, sampling.stop), answer.truncated
        read = answer.prompt_tokens
        if read < 0:
            read = sum(self.count_tokens(turn["content"]) for turn in turns)
        return Completion(
            text=text,
            tokens=answer.tokens if answer.tokens >= 0 else self.count_tokens(text),
            prompt_tokens=read,
            truncated=truncated and text == answer.text,
        )

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Return a text from which `generate` takes the messages; without the prefill.

        Raises:
            EngineError: an open user turn is asked for, which no such server continues.
        """
        if open_user_turn:
            raise EngineError(
                "engine chat answers finished turns and cannot continue a user turn: use engine "
                "transformers, vllm or openai"
            )
        return SENTINEL + json.dumps([dict(message) for message in messages], ensure_ascii=False)

    def count_tokens(self, text: str) -> int:
        """Return an estimate of the number of tokens: words and signs."""
        return len(UNIT_OR_SIGN.findall(text))

    @property
    def end_of_turn(self) -> str:
        """There is no such token: a server of chats keeps it to itself."""
        raise EngineError("engine chat does not know the token that ends a turn")


def _turns(index: int, request: Request) -> list[dict[str, str]]:
    """Return the turns of a request's prompt."""
    if isinstance(request.prompt, SoftPrompt) or request.prefill:
        raise EngineError(
            f"request {index} has soft tokens or begins the answer, and engine chat sends turns "
            "alone: use engine transformers or vllm"
        )
    if not request.prompt:
        raise EngineError(f"the prompt of request {index} is empty: give text")
    if not request.prompt.startswith(SENTINEL):
        return [{"role": "user", "content": request.prompt}]
    turns: list[dict[str, str]] = json.loads(request.prompt.removeprefix(SENTINEL))
    return turns


def _settings(request: Request, sampling: Sampling) -> dict[str, Any]:
    return {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed % SEEDS,
        "stop": list(sampling.stop[:_STOPS]) or None,
    }


def _until(text: str, stops: Sequence[str]) -> str:
    """Return the text before the first stop string."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)]
