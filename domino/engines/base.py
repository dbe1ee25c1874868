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
    """The engine cannot serve any request: the set-up is broken, not a sample."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SoftPrompt:
    """Prompt embeddings [P, H] in float32, followed by text that the engine embeds itself."""

    embeds_PH: torch.Tensor
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request for one completion. Its seed is its own, so batching never changes its text.

    A text prompt is complete: the engine adds no template.

    Attributes:
        prompt: text, or soft tokens and text.
        seed: of this request's random numbers.
        prefill: beginning of the answer, after the prompt; not part of the completion's text.
        special_tokens: let the tokenizer put its own special tokens (a beginning-of-text token)
            before the text, as tools do that encode a prompt with its defaults.
    """

    prompt: str | SoftPrompt
    seed: int
    prefill: str = ""
    special_tokens: bool = False

    @property
    def text(self) -> str:
        """All text before the completion, prefill included."""
        text = self.prompt.text if isinstance(self.prompt, SoftPrompt) else self.prompt
        return text + self.prefill


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """The text after the prompt, without the end token or the stop string.

    `truncated`: the token limit ended it. `prompt_tokens` and `tokens` count its cost. A thought
    before the answer is removed; `unfinished_thought`: it never ended, and the text is empty.
    """

    text: str
    tokens: int
    prompt_tokens: int
    truncated: bool
    unfinished_thought: bool = False

    def __post_init__(self) -> None:
        """Make the text storable; servers and decoders can send invalid characters."""
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
        """Complete every request; `on_done(index, completion)` is called when each one finishes.

        A prompt that fills the context yields an empty, truncated completion.
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
        """Release resources outside this process; `generate` acquires them again."""
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
    """Refuse, before a fit, an engine that cannot sample from soft tokens.

    Raises:
        EngineError: it supports only text prompts.
    """
    if not engine.takes_embeddings:
        raise EngineError(
            f"{method} samples from soft tokens, but {type(engine).__name__} supports only text: "
            "use engine transformers or vllm, or remove this method"
        )
