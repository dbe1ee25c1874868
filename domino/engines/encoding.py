"""From requests to jobs: token ids and soft tokens, and how many tokens are left for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domino.engines.base import Completion, EngineError, Request, SoftPrompt

if TYPE_CHECKING:
    import torch

    from domino.engines.chat import Thoughts
    from domino.records import Sampling


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """A prompt as the model reads it: soft tokens [P, H] or None, then token ids."""

    soft_PH: torch.Tensor | None
    ids: tuple[int, ...]

    @property
    def group(self) -> int:
        """Prompts behind the same soft tokens have the same group."""
        return 0 if self.soft_PH is None else id(self.soft_PH)

    @property
    def key(self) -> tuple[int, tuple[int, ...]]:
        """Equal for prompts that are the same."""
        return self.group, self.ids

    def __len__(self) -> int:
        return len(self.ids) + (0 if self.soft_PH is None else len(self.soft_PH))


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRequest:
    """An encoded request, with at most `limit` new tokens."""

    index: int
    prompt: EncodedPrompt
    seed: int
    limit: int


class Results:
    """Completions as they come in any order, each handed on once; then all in order."""

    def __init__(
        self,
        on_done: Callable[[int, Completion], None] | None,
        requests: Sequence[Request] = (),
        thoughts: Thoughts | None = None,
    ) -> None:
        self._on_done, self._requests, self._thoughts = on_done, requests, thoughts
        self._done: dict[int, Completion] = {}

    def report(self, index: int, completion: Completion) -> None:
        """Take the completion of one request; a thought before its answer is cut off."""
        if self._thoughts is not None:
            completion = self._thoughts.split(self._requests[index].text, completion)
        self._done[index] = completion
        if self._on_done is not None:
            self._on_done(index, completion)

    def in_order(self) -> list[Completion]:
        """Return all completions in the order of their requests."""
        return [self._done[index] for index in sorted(self._done)]


def make_jobs(
    tokenizer: Any,
    requests: Sequence[Request],
    sampling: Sampling,
    results: Results,
    *,
    width: int,
    context_tokens: int,
) -> list[EncodedRequest]:
    """Return the jobs; a prompt that fills the context is reported as empty and truncated.

    Args:
        tokenizer: of the model.
        requests: in the order of their completions.
        sampling: gives the limit of new tokens.
        results: receives the completions of prompts that fill the context.
        width: H, of the model's embeddings.
        context_tokens: how many tokens prompt and completion may have together.

    Raises:
        EngineError: a prompt is empty, or its soft tokens do not fit the model.
    """
    jobs = []
    prompts = _encode(tokenizer, requests, width, context_tokens)
    for index, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        limit = min(sampling.max_new_tokens, context_tokens - len(prompt))
        if limit >= 1:
            jobs.append(EncodedRequest(index, prompt, request.seed, limit))
        else:
            results.report(
                index, Completion(text="", tokens=0, prompt_tokens=len(prompt), truncated=True)
            )
    return jobs


def _encode(
    tokenizer: Any, requests: Sequence[Request], width: int, context_tokens: int
) -> list[EncodedPrompt]:
    """Tokenize every distinct text once and pair it with its soft tokens."""
    texts = [(request.text, request.special_tokens) for request in requests]
    ids: dict[tuple[str, bool], tuple[int, ...]] = {}
    for special in (False, True):
        unique = [text for text in dict.fromkeys(texts) if text[1] == special]
        ids |= dict(
            zip(unique, _tokenize(tokenizer, [t for t, _ in unique], special=special), strict=True)
        )
    prompts = []
    for index, (request, text) in enumerate(zip(requests, texts, strict=True)):
        soft_PH = None
        if isinstance(request.prompt, SoftPrompt):
            soft_PH = request.prompt.embeds_PH
            _check_soft(index, soft_PH, width, context_tokens)
        prompts.append(EncodedPrompt(soft_PH, ids[text]))
        if not len(prompts[-1]):
            raise EngineError(f"the prompt of request {index} is empty: give text or soft tokens")
    return prompts


def _tokenize(tokenizer: Any, texts: Sequence[str], *, special: bool) -> Iterable[tuple[int, ...]]:
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=special)["input_ids"]
    return [tuple(ids) for ids in encoded]


def _check_soft(index: int, soft_PH: torch.Tensor, width: int, context_tokens: int) -> None:
    if soft_PH.ndim != 2 or soft_PH.shape[1] != width:
        raise EngineError(
            f"the soft tokens of request {index} have shape {tuple(soft_PH.shape)}, this model "
            f"needs [tokens, {width}]: use the backbone that they were fitted with"
        )
    if len(soft_PH) >= context_tokens:
        raise EngineError(
            f"request {index} has {len(soft_PH)} soft tokens, and this model's context is "
            f"{context_tokens} tokens, completion included: fit fewer soft tokens"
        )
