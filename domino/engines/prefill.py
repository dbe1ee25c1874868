"""Prefill: keys and values of prompts, what they share computed once, the rest in batches.

Shapes: N prompts of a batch, K key-value heads, D head dimension, V vocabulary, H hidden size,
P positions of a trunk (what prompts share), Q positions of a tail (what is a prompt's own).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache

from domino.embedding import embed_ids

if TYPE_CHECKING:
    from domino.engines.encoding import EncodedPrompt

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]  # for each layer, keys and values
_BATCH_TOKENS = 8192  # padded tokens of one prefill batch


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The keys and values of what several prompts share, [1, K, P, D], and the logits after it."""

    layers: KeyValues
    logits_V: torch.Tensor | None
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Prefilled:
    """One prompt ready to be continued: its trunk, its own tail [K, Q, D], the logits after it."""

    trunk: Trunk
    tail: KeyValues
    tail_length: int
    logits_V: torch.Tensor

    @property
    def length(self) -> int:
        """The prompt's length in positions."""
        return self.trunk.length + self.tail_length


EMPTY_TRUNK = Trunk(layers=[], logits_V=None, length=0)


def prefill_trunk(model: Any, embeds_PH: torch.Tensor) -> Trunk:
    """Run what prompts share once."""
    if not len(embeds_PH):
        return EMPTY_TRUNK
    cache = DynamicCache()
    logits_1V = last_logits(model, inputs_embeds=embeds_PH[None], past_key_values=cache)
    return Trunk(layers=_layers(cache), logits_V=logits_1V[0], length=len(embeds_PH))


def prefill_tails(model: Any, trunk: Trunk, tails: Sequence[Sequence[int]]) -> list[Prefilled]:
    """Run the tails of several prompts behind their common trunk, in one padded batch.

    Tails are padded on the left, so that the last position of every row is its last token.
    """
    lengths = [len(tail) for tail in tails]
    width = max(lengths)
    device = model.device
    ids_NQ = torch.tensor([[0] * (width - len(t)) + list(t) for t in tails], device=device)
    pad_N = torch.tensor([width - length for length in lengths], device=device)
    column_Q = torch.arange(width, device=device)
    cache = DynamicCache()
    for index, (keys, values) in enumerate(trunk.layers):
        size = (len(tails), -1, -1, -1)
        cache.update(keys.expand(size), values.expand(size), index)
    logits_NV = last_logits(
        model,
        input_ids=ids_NQ,
        position_ids=trunk.length + (column_Q - pad_N[:, None]).clamp_(min=0),
        attention_mask=_tail_mask(pad_N, width, trunk.length, model.dtype),
        past_key_values=cache,
    )
    layers = _layers(cache)
    return [
        Prefilled(
            trunk=trunk,
            tail=[(keys[row, :, -length:], values[row, :, -length:]) for keys, values in layers],
            tail_length=length,
            logits_V=logits_NV[row],
        )
        for row, length in enumerate(lengths)
    ]


def _tail_mask(pad_N: torch.Tensor, width: int, past: int, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask [N, 1, Q, P + Q]: the trunk, and the row's own tokens so far.

    A padding position sees itself, because a row that sees nothing would be NaN.
    """
    column_Q = torch.arange(width, device=pad_N.device)
    causal_QQ = column_Q[:, None] >= column_Q
    own_NQQ = causal_QQ & (column_Q >= pad_N[:, None])[:, None, :]
    own_NQQ |= torch.eye(width, dtype=torch.bool, device=pad_N.device)
    seen = torch.nn.functional.pad(own_NQQ, (past, 0), value=True)
    return torch.zeros(seen.shape, dtype=dtype, device=pad_N.device).masked_fill_(
        ~seen, float("-inf")
    )[:, None]


def _layers(cache: Any) -> KeyValues:
    return [(layer.keys, layer.values) for layer in cache.layers]


def last_logits(model: Any, **inputs: Any) -> torch.Tensor:
    """Return the logits after the last position, [N, V], in float32."""
    output = model(**inputs, use_cache=True, logits_to_keep=1)
    return output.logits[:, -1].float()  # type: ignore[no-any-return]


def embed(model: Any, soft_PH: torch.Tensor | None, ids: Sequence[int]) -> torch.Tensor:
    """Return soft tokens followed by the embeddings of the ids, in the model's dtype."""
    text_QH = embed_ids(model, torch.tensor(ids, dtype=torch.long, device=model.device))
    if soft_PH is None:
        return text_QH
    return torch.cat([soft_PH.to(text_QH), text_QH])


class Prefiller:
    """Hands out prefilled prompts in the order of a queue, made in batches ahead of need."""

    def __init__(self, model: Any, queue: Sequence[EncodedPrompt], batch: int) -> None:
        self._model = model
        self._batch = batch
        self._uses = Counter(prompt.key for prompt in queue)
        self._unmade: dict[int, deque[EncodedPrompt]] = {}
        for prompt in {prompt.key: prompt for prompt in queue}.values():
            self._unmade.setdefault(prompt.group, deque()).append(prompt)
        self._trunks: dict[int, Trunk] = {}
        self._ready: dict[tuple[int, tuple[int, ...]], Prefilled] = {}

    def take(self, prompt: EncodedPrompt) -> Prefilled:
        """Return the prompt's keys and values; they are let go after its last use."""
        if prompt.key not in self._ready:
            self._make(prompt.group)
        ready = self._ready[prompt.key]
        self._uses[prompt.key] -= 1
        if not self._uses[prompt.key]:
            del self._ready[prompt.key]
        return ready

    def _make(self, group: int) -> None:
        """Prefill the next batch of the group's prompts."""
        if group not in self._trunks:
            self._trunks[group] = self._make_trunk(self._unmade[group])
        trunk, unmade = self._trunks[group], self._unmade[group]
        tails: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}
        width = 0
        while unmade and len(tails) < self._batch:
            tail = _tail(unmade[0], trunk)
            width = max(width, len(tail))
            if tails and width * (len(tails) + 1) > _BATCH_TOKENS:
                break
            tails[unmade.popleft().key] = tail
        self._ready.update(self._prefill(trunk, tails))

    def _prefill(
        self, trunk: Trunk, tails: dict[tuple[int, tuple[int, ...]], tuple[int, ...]]
    ) -> dict[tuple[int, tuple[int, ...]], Prefilled]:
        ready = {}
        if (whole := [key for key, tail in tails.items() if not tail]) and (
            trunk.logits_V is not None
        ):
            ready = {key: Prefilled(trunk, [], 0, trunk.logits_V) for key in whole}
        own = {key: tail for key, tail in tails.items() if tail}
        if own:
            made = prefill_tails(self._model, trunk, list(own.values()))
            ready.update(zip(own, made, strict=True))
        return ready

    def _make_trunk(self, prompts: Sequence[EncodedPrompt]) -> Trunk:
        shared = common_prefix([prompt.ids for prompt in prompts])
        return prefill_trunk(self._model, embed(self._model, prompts[0].soft_PH, shared))


def common_prefix(sequences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the longest prefix that all sequences share."""
    first, last = min(sequences), max(sequences)  # all others lie between them
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def _tail(prompt: EncodedPrompt, trunk: Trunk) -> tuple[int, ...]:
    soft = 0 if prompt.soft_PH is None else len(prompt.soft_PH)
    return prompt.ids[trunk.length - soft :]
