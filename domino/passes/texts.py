"""Texts of a batch: what they share, which of them run together, where their losses are.

Shapes: B texts of a batch, G tokens that all texts begin with and that carry no loss, n texts of a
bucket, W positions of the longest of them, T positions with a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_FORWARD_TOKENS = {"cpu": 64, "cuda": 512}
"""How many tokens a forward pass of its own costs: kernel launches and Python, not arithmetic."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Token ids [L] on the model's device; the first `given` of them carry no loss."""

    ids_L: torch.Tensor
    given: int = 0

    def __len__(self) -> int:
        return len(self.ids_L)


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """Texts that run together, padded on the right.

    Attributes:
        members: the texts' places in the batch.
        ids_nW: their token ids.
        at_T: positions with a loss, in the flattened [n * W], text by text.
        label_T: the token that each of them predicts.
        counts: how many of them each text has.
    """

    members: tuple[int, ...]
    ids_nW: torch.Tensor
    at_T: torch.Tensor
    label_T: torch.Tensor
    counts: tuple[int, ...]


def common_lead(texts: Sequence[Text]) -> torch.Tensor:
    """Return the given tokens that all texts begin with, [G]; G may be 0."""
    given = min(text.given for text in texts)
    ids_BG = torch.stack([text.ids_L[:given] for text in texts])
    same_G = (ids_BG == ids_BG[0]).all(0)
    return ids_BG[0, : int(same_G.long().cumprod(0).sum())]


def without_lead(texts: Sequence[Text], lead: int) -> list[Text]:
    """Return the texts without their first `lead` tokens."""
    return [Text(text.ids_L[lead:], text.given - lead) for text in texts]


def buckets(texts: Sequence[Text], copies: int) -> list[Bucket]:
    """Return all texts in buckets, cut so that padding costs less than more passes would.

    Args:
        texts: at least one.
        copies: behind how many prefixes each bucket will run.
    """
    forward = _FORWARD_TOKENS.get(texts[0].ids_L.device.type, _FORWARD_TOKENS["cuda"]) / copies
    lengths = [len(text) for text in texts]
    return [_bucket(texts, members) for members in cut_by_length(lengths, forward)]


def cut_by_length(lengths: Sequence[int], forward: float) -> list[tuple[int, ...]]:
    """Partition indices so that the sum over parts of (forward + size × longest) is the least.

    An optimal partition is contiguous in the order of length, so a dynamic programme over the
    sorted lengths finds it.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    cost = [0.0]
    start_of = [0]
    for stop in range(1, len(order) + 1):
        longest = lengths[order[stop - 1]]
        choices = [cost[start] + forward + (stop - start) * longest for start in range(stop)]
        best = min(range(stop), key=choices.__getitem__)
        cost.append(choices[best])
        start_of.append(best)
    parts = []
    stop = len(order)
    while stop:
        parts.append(tuple(sorted(order[start_of[stop] : stop])))
        stop = start_of[stop]
    return parts[::-1]


def _bucket(texts: Sequence[Text], members: tuple[int, ...]) -> Bucket:
    own = [texts[member] for member in members]
    ids_nW = torch.nn.utils.rnn.pad_sequence([text.ids_L for text in own], batch_first=True)
    width = ids_nW.shape[1]
    # Positions come from lengths, which the host knows: no wait for the device.
    at = [
        row * width + position
        for row, text in enumerate(own)
        for position in range(text.given, len(text))
    ]
    at_T = torch.tensor(at, device=ids_nW.device)
    return Bucket(
        members=members,
        ids_nW=ids_nW,
        at_T=at_T,
        label_T=ids_nW.flatten()[at_T],
        counts=tuple(len(text) - text.given for text in own),
    )
