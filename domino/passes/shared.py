"""The shared passes: each prefix runs once, and every text continues its keys and values.

For a step of B texts the body sees P + BQ + (B + B²)L positions, the head (B + B²)L, where the
plain passes see (B + B²)(P + L) + B²Q.

Shapes: P domain tokens, Q sample tokens, H hidden size, R prefixes, F positions of a prefix, G
given tokens that all texts begin with, n texts of a bucket, W positions of the longest of them,
T positions with a loss, K key-value heads, D head dimension, C tokens after a prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from domino.attention import TAKES_MASKS
from domino.embedding import embed_ids
from domino.passes.base import Trunk
from domino.passes.fused_loss import Head, token_losses
from domino.passes.texts import Bucket, Text, buckets, common_lead, without_lead


class SharedPasses:
    """Passes with cached keys and values; a trunk is those of every layer, and the last state.

    Args:
        model: a frozen causal language model in eval mode whose attention sees every position.
        head: its vocabulary head.
    """

    def __init__(self, model: Any, head: Head) -> None:
        self._body = model.base_model
        self._embed = partial(embed_ids, model)
        self._dtype = model.get_input_embeddings().weight.dtype
        self._head = head
        self._takes_bias = model.config._attn_implementation in TAKES_MASKS

    def trunk(self, domain_PH: torch.Tensor) -> Trunk:
        """Run the domain tokens once."""
        return self._prefix((), domain_PH[None])

    def losses(
        self, trunk: Trunk, sample_RQH: torch.Tensor | None, texts: Sequence[Text]
    ) -> torch.Tensor:
        """Return each text's loss after each prefix, [R, n]; see `Passes.losses`.

        Tokens without a loss that all texts begin with run once per prefix, as its last part.
        """
        lead_G = common_lead(texts)
        prefix = self._behind(trunk, sample_RQH, lead_G)
        rows = len(prefix[-1])
        parts = buckets(without_lead(texts, len(lead_G)), copies=rows)
        loss_Rn = torch.cat([self._bucket_losses(prefix, part) for part in parts], 1)
        order = [member for part in parts for member in part.members]
        return loss_Rn if order == sorted(order) else loss_Rn[:, _inverse(order)]

    def _behind(self, trunk: Trunk, sample_RQH: torch.Tensor | None, lead_G: torch.Tensor) -> Trunk:
        """Extend the trunk by sample tokens and by the lead, if there are any."""
        lead_GH = self._embed(lead_G)
        if sample_RQH is not None:
            lead_RGH = lead_GH.expand(len(sample_RQH), -1, -1)
            return self._prefix(trunk, torch.cat([sample_RQH.to(lead_GH.dtype), lead_RGH], 1))
        return self._prefix(trunk, lead_GH[None]) if len(lead_GH) else trunk

    def _prefix(self, trunk: Trunk, embeds_RCH: torch.Tensor) -> Trunk:
        hidden_RCH, cache = self._run(trunk, embeds_RCH)
        return (*_flat(cache), hidden_RCH[:, -1])

    def _bucket_losses(self, prefix: Trunk, bucket: Bucket) -> torch.Tensor:
        """Return the mean losses of a bucket's texts after each prefix, [R, n]."""
        last_RH = prefix[-1]
        rows, (count, width) = len(last_RH), bucket.ids_nW.shape
        # A position's state predicts the next token: the prefix's last predicts the first.
        state_RnWH = last_RH[:, None, None].expand(-1, count, -1, -1)
        if width > 1:  # a text's last token predicts nothing, so it needs no pass
            embeds_nWH = self._embed(bucket.ids_nW[:, :-1]).repeat(rows, 1, 1)
            hidden_RnWH = self._run(prefix, embeds_nWH)[0].unflatten(0, (rows, count))
            state_RnWH = torch.cat([state_RnWH, hidden_RnWH], 2)
        state_RTH = state_RnWH.flatten(1, 2).index_select(1, bucket.at_T)
        loss_T = token_losses(self._head, state_RTH.flatten(0, 1), bucket.label_T.repeat(rows))
        parts = loss_T.view(rows, -1).split(bucket.counts, 1)
        return torch.stack([part_RT.mean(1) for part_RT in parts], 1)

    def _run(self, prefix: Trunk, embeds_RCH: torch.Tensor) -> tuple[torch.Tensor, Cache]:
        """Run positions after a prefix; the prefix is repeated if there are more rows."""
        cache = _fresh_cache(prefix[:-1])
        past, count = cache.get_seq_length(), embeds_RCH.shape[1]
        output = self._body(
            inputs_embeds=embeds_RCH.to(self._dtype),
            # Positions must continue after the prefix: from 0 the losses would be silently wrong.
            position_ids=torch.arange(past, past + count, device=embeds_RCH.device)[None],
            attention_mask=self._mask(embeds_RCH, past) if past else None,
            past_key_values=cache,
            use_cache=True,
        )
        return output.last_hidden_state, cache

    def _mask(self, embeds_RCH: torch.Tensor, past: int) -> torch.Tensor:
        """Return a mask that shows the complete prefix and the row's own positions so far.

        Sdpa and eager attention take a bias [1, 1, C, F + C]. Others (flash, flex) make their own
        causal mask and get ones, so that no position counts as padding: the padding of a shorter
        text comes after its last token, where a causal mask hides it anyway.
        """
        rows, count = embeds_RCH.shape[:2]
        device = embeds_RCH.device
        if not self._takes_bias:
            return torch.ones(rows, past + count, dtype=torch.long, device=device)
        dtype = self._dtype
        hidden = torch.full((count, past + count), float("-inf"), dtype=dtype, device=device)
        return hidden.triu_(past + 1)[None, None]


def _fresh_cache(prefix: Sequence[torch.Tensor]) -> DynamicCache:
    """Return a new cache for one forward pass: the pass changes it, even without use_cache."""
    cache = DynamicCache()
    pairs = zip(prefix[::2], prefix[1::2], strict=True)
    cache.layers.extend(PrefixLayer(keys, values) for keys, values in pairs)
    return cache


class PrefixLayer(DynamicLayer):
    """Keys and values [R, K, F, D], which any number of rows per prefix can continue."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device = keys.dtype, keys.device
        self.keys, self.values = keys, values
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the prefix's and the new positions' keys and values, row by row."""
        self.keys = _continued(self.keys, key_states)
        self.values = _continued(self.values, value_states)
        return self.keys, self.values


def _continued(prefix_RKFD: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Concatenate positions; the prefix is expanded as a view, so that it is copied only once."""
    prefixes = len(prefix_RKFD)
    states_RnKCD = states.unflatten(0, (prefixes, -1))
    copies = states_RnKCD.shape[1]
    prefix_RnKFD = prefix_RKFD[:, None].expand(-1, copies, -1, -1, -1)
    return torch.cat([prefix_RnKFD, states_RnKCD], 3).flatten(0, 1)


def _flat(cache: Any) -> Trunk:
    return tuple(states for layer in cache.layers for states in (layer.keys, layer.values))


def _inverse(order: Sequence[int]) -> list[int]:
    """Return the position of each index in the order."""
    return sorted(range(len(order)), key=order.__getitem__)
