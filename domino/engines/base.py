"""The Engine interface: requests in, completions out, in the same order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from domino.text import storable

if TYPE_CHECKING:
    import torch

    from domino.records import Sampling

Message = Mapping[str, str]  # {"role": "system" | "user" | "assistant", "content": ...}


class EngineError(RuntimeError):
    """The engine cannot serve a request, whatever its text: a broken set-up, not a bad sample."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SoftPrompt:
    """Prompt embeddings, shape [P, H], float32, followed by text that the engine embeds itself."""

    embeds_PH: torch.Tensor
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One completion to make. The seed belongs to the request: batching never changes its text.

    A text prompt is complete: the engine adds no template to it.

    Attributes:
        prompt: text, or soft tokens and text.
        seed: of this request's random numbers.
        prefill: what the answer begins with, behind the prompt; no part of the completion's text.
        special_tokens: let the tokenizer put its own special tokens (a beginning-of-text token)
            before the text, as tools do that encode a prompt with its defaults.
    """

    prompt: str | SoftPrompt
    seed: int
    prefill: str = ""
    special_tokens: bool = False

    @property
    def text(self) -> str:
        """All text that the completion follows, prefill included."""
        text = self.prompt.text if isinstance(self.prompt, SoftPrompt) else self.prompt
        return text + self.prefill


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """The text after the prompt, without the end token or the stop string.

    `truncated` says that the token limit ended it; `prompt_tokens` and `tokens` count its cost.
    A thought before the answer is cut off; where it never ended, there is no text, and
    `unfinished_thought` says so.
    """

    text: str
    tokens: int
    prompt_tokens: int
    truncated: bool
    unfinished_thought: bool = False

    def __post_init__(self) -> None:
        """Make the text storable, whatever a server or a decoder has sent."""
        object.__setattr__(self, "text", storable(self.text))


class Engine(ABC):
    """Generates text with one frozen model. Every engine inherits the contract suite.

    Attributes:
        takes_embeddings: whether it serves a `SoftPrompt`.
    """

    takes_embeddings: ClassVar[bool] = True

    @abstractmethod
    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; `on_done(index, completion)` is called as each one finishes.

        A prompt that leaves no room in the context yields an empty, truncated completion.
        `sampling.seed` is not used here: callers derive each request's seed from it.
        """

    @property
    def has_turns(self) -> bool:
        """Whether the model has a chat template; a base model completes texts directly."""
        return True

    @abstractmethod
    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Return the chat template's text for the messages, ready for the assistant's turn.

        With `open_user_turn`, end instead inside a new user turn, so that generation continues
        with an instruction (Magpie's form, and DOMINO's lead-in). With `prefill`, end inside an
        assistant's turn that begins with it.
        """

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text, special tokens as written in it."""

    def close(self) -> None:
        """Give back what the engine holds outside of this process; `generate` takes it anew."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    @abstractmethod
    def end_of_turn(self) -> str:
        """The text of the token that ends a turn."""


def require_embeddings(engine: Engine, method: str) -> None:
    """Refuse, before anything is learned, an engine that could not sample behind soft tokens.

    Raises:
        EngineError: it takes text alone.
    """
    if not engine.takes_embeddings:
        raise EngineError(
            f"{method} samples behind soft tokens, and {type(engine).__name__} takes text alone: "
            "use engine transformers or vllm, or leave this method out"
        )
