"""From documents to batches of token ids, and the loss that pre-training falls along."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from benchmarks.suites.housestyle.documents import Document


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and loss weights, both [B, L], padded on the right (weight 0)."""

    ids_BL: torch.Tensor
    weights_BL: torch.Tensor


def encode(document: Document, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[float]]:
    """Return a document's token ids and their loss weights."""
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in document.segments:
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        weights += [weight] * len(piece)
    return ids, weights


def batches(
    documents: Iterable[Document],
    tokenizer: PreTrainedTokenizerFast,
    *,
    batch_tokens: int,
    seed: int,
) -> Iterator[Batch]:
    """Yield documents in batches of like length, up to a number of tokens, in random order."""
    encoded = sorted(
        (encode(document, tokenizer) for document in documents), key=lambda pair: len(pair[0])
    )
    groups: list[list[tuple[list[int], list[float]]]] = [[]]
    for pair in encoded:
        if (len(groups[-1]) + 1) * len(pair[0]) > batch_tokens:
            groups.append([])
        groups[-1].append(pair)
    random.Random(seed).shuffle(groups)
    for group in groups:
        yield _pad(group, int(tokenizer.pad_token_id))


def _pad(group: list[tuple[list[int], list[float]]], pad: int) -> Batch:
    longest = max(len(ids) for ids, _ in group)
    ids = [ids + [pad] * (longest - len(ids)) for ids, _ in group]
    weights = [weights + [0.0] * (longest - len(weights)) for _, weights in group]
    return Batch(torch.tensor(ids), torch.tensor(weights))


def weighted_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the weighted mean cross-entropy; causal attention needs no mask for right padding."""
    logits_BLV = model(input_ids=batch.ids_BL, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(
        logits_BLV.flatten(0, 1).float(), batch.ids_BL[:, 1:].flatten(), reduction="none"
    )
    weights = batch.weights_BL[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()
