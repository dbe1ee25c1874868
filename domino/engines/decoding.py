"""From logits to tokens, and from tokens to a finished text.

Shapes: N rows being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from domino.records import Sampling


def choose_tokens(
    logits_NV: torch.Tensor, uniform_N: torch.Tensor | None, sampling: Sampling
) -> torch.Tensor:
    """Return one token per row: the likeliest, or by inverse CDF at each row's own uniform number.

    Inverting the CDF at a number that belongs to the request makes the token a function of the
    request alone, whatever other rows are in the batch.
    """
    if uniform_N is None or sampling.temperature == 0:
        return logits_NV.argmax(-1)
    probs_NV = torch.softmax(logits_NV.double() / sampling.temperature, -1)
    if sampling.top_p < 1:
        probs_NV = nucleus(probs_NV, sampling.top_p)
    cdf_NV = probs_NV.cumsum(-1)
    target_N1 = uniform_N[:, None].double() * cdf_NV[:, -1:]
    # right=True skips tokens of probability 0, whose CDF equals their predecessor's.
    chosen_N = torch.searchsorted(cdf_NV, target_N1, right=True)[:, 0]
    return chosen_N.clamp_(max=cdf_NV.shape[-1] - 1)


def nucleus(probs_NV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero every token outside the smallest set of the likeliest that holds `top_p` of the mass."""
    sorted_NV = probs_NV.sort(-1, descending=True).values
    kept_N1 = (sorted_NV.cumsum(-1) - sorted_NV < top_p).sum(-1, keepdim=True)
    cut_N1 = sorted_NV.gather(-1, kept_N1 - 1)
    return probs_NV.where(probs_NV >= cut_N1, 0.0)


def request_uniforms(seed: int, count: int) -> torch.Tensor:
    """Return the request's own random numbers in [0, 1), one for each token it may make."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator, dtype=torch.float64)


class StopMatcher:
    """Finds stop strings in what a row has generated, decoding as little as possible.

    A stop string can only be completed by a token whose text holds its last character; all other
    tokens are passed over without decoding anything.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stop for stop in stops if stop)
        self._last = {stop[-1] for stop in self._stops}
        # Decoding one piece alone can drop its space or break a multi-byte character.
        self._always = any(ch.isspace() or not ch.isascii() for ch in self._last)
        self._window = max((4 * len(stop) + 8 for stop in self._stops), default=0)
        self._may_end: dict[int, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._stops)

    def may_end(self, token: int) -> bool:
        """Whether a stop string may end with this token."""
        known = self._may_end.get(token)
        if known is None:
            text = decode(self._tokenizer, [token])
            known = self._always or any(ch in text for ch in self._last)
            self._may_end[token] = known
        return known

    def found(self, tokens: Sequence[int]) -> bool:
        """Whether the text of the tokens holds a stop string near its end."""
        window = decode(self._tokenizer, tokens[-self._window :])
        return any(stop in window for stop in self._stops)

    def cut(self, text: str) -> str:
        """Return the text before the earliest stop string."""
        starts = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        return text[: min(starts)] if starts else text


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return the tokens' text as it is: nothing skipped, no spaces cleaned up."""
    return str(
        tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
    )


@dataclass(frozen=True, slots=True)
class StopRule:
    """What may end a completion: end tokens, stop strings."""

    end_ids: frozenset[int]
    stops: StopMatcher

    def text(self, tokenizer: Any, tokens: Sequence[int]) -> str:
        """Return the completion's text, without its end token and without its stop string."""
        kept = tokens[:-1] if tokens and tokens[-1] in self.end_ids else tokens
        return self.stops.cut(decode(tokenizer, kept))
