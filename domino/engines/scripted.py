"""An engine whose answers are written beforehand: for tests of what stands on top of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domino.engines.base import Completion, Engine, EngineError, Message, Request, SoftPrompt

if TYPE_CHECKING:
    from domino.records import Sampling

Script = Callable[[Request], str] | Sequence[str]
_OPEN, _CLOSE = "<|{role}|>\n", "<|end|>\n"


class ScriptedEngine(Engine):
    """Answers from a function of the request, or from a list in the order of the requests.

    A token is a run of characters between spaces, with its leading space. Stop strings and the
    token limit hold as in any engine. `requests` and `samplings` record what was asked.

    Args:
        script: a function from a request to its full answer, or the answers in order.
        context_tokens: prompts of this many tokens or more leave no room for a completion.
    """

    def __init__(self, script: Script, *, context_tokens: int = 1_000_000) -> None:
        self._script = script
        self._context_tokens = context_tokens
        self._next = 0
        self.requests: list[Request] = []
        self.samplings: list[Sampling] = []

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Answer each request from the script, in order."""
        completions = []
        for index, request in enumerate(requests):
            self.requests.append(request)
            self.samplings.append(sampling)
            completions.append(self._complete(request, sampling))
            if on_done is not None:
                on_done(index, completions[-1])
        return completions

    def _complete(self, request: Request, sampling: Sampling) -> Completion:
        room = self._context_tokens - self._prompt_tokens(request)
        if room <= 0:
            return Completion(text="", tokens=0, prompt_tokens=self._context_tokens, truncated=True)
        full = self._answer(request).partition(self.end_of_turn)[0]
        stopped = _cut(full, sampling.stop)
        pieces = _tokens(stopped)
        limit = min(room, sampling.max_new_tokens)
        return Completion(
            text="".join(pieces[:limit]),
            tokens=min(len(pieces), limit),
            prompt_tokens=self._prompt_tokens(request),
            truncated=len(pieces) > limit,
        )

    def _answer(self, request: Request) -> str:
        if callable(self._script):
            return self._script(request)
        if self._next >= len(self._script):
            raise EngineError(
                f"the script has {len(self._script)} answers and request {self._next + 1} came: "
                "add answers, or script a function"
            )
        self._next += 1
        return self._script[self._next - 1]

    def _prompt_tokens(self, request: Request) -> int:
        soft = len(request.prompt.embeds_PH) if isinstance(request.prompt, SoftPrompt) else 0
        return soft + self.count_tokens(request.text)

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Write each turn as <|role|>, its text and <|end|>, then open the next one."""
        turns = [
            _OPEN.format(role=message["role"]) + message["content"] + _CLOSE for message in messages
        ]
        opened = _OPEN.format(role="user" if open_user_turn else "assistant")
        return "".join(turns) + opened + prefill

    def count_tokens(self, text: str) -> int:
        """Count runs of characters between spaces."""
        return len(_tokens(text))

    @property
    def end_of_turn(self) -> str:
        """The text that ends a turn."""
        return "<|end|>"


def _tokens(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [piece for piece in (first, *(" " + word for word in rest)) if piece]


def _cut(text: str, stops: Sequence[str]) -> str:
    """Return the text before the earliest stop string."""
    found = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else text
