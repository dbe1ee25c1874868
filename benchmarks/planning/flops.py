"""Floating-point operations of a step and of sampling, counted from shapes alone.

A matrix product over n tokens counts 2 × n × weights; attention counts four operations for each
visible pair of query and key, and for each element of a head (scores, and their use). The weights
are frozen, so that the backward pass repeats each product with weights once, and each product of
attention twice, once for either factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol


class Shape(Protocol):
    """What of a decoder its operations are counted from."""

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""

    @property
    def layers(self) -> int:
        """Decoder layers."""

    @property
    def vocabulary(self) -> int:
        """Rows of the head."""

    @property
    def body_weights(self) -> int:
        """Weights that a token meets in the decoder layers."""

    @property
    def attention_width(self) -> int:
        """Elements of a layer's heads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """The shape of a Qwen2 model, random weights of which are measured.

    Attributes:
        hidden: width of the residual stream.
        inner: width of the gated MLP.
        layers: decoder layers.
        heads: query heads.
        kv_heads: key and value heads.
        vocabulary: rows of the head.
        tied: whether head and embeddings are one matrix.
    """

    hidden: int = 384
    inner: int = 1024
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    vocabulary: int = 32_000
    tied: bool = True

    @property
    def attention_width(self) -> int:
        """Elements of a layer's heads."""
        return self.hidden

    @property
    def body_weights(self) -> int:
        """Weights that a token meets in the decoder layers."""
        grouped = 2 * self.hidden * self.hidden * self.kv_heads // self.heads
        return self.layers * (2 * self.hidden**2 + grouped + 3 * self.hidden * self.inner)


SHAPES = {
    "small": ModelShape(),
    # The published configurations of Qwen2.5-Coder.
    "qwen2.5-coder-0.5b": ModelShape(
        hidden=896, inner=4864, layers=24, heads=14, kv_heads=2, vocabulary=151_936
    ),
    "qwen2.5-coder-1.5b": ModelShape(
        hidden=1536, inner=8960, layers=28, heads=12, kv_heads=2, vocabulary=151_936
    ),
    "qwen2.5-coder-7b": ModelShape(
        hidden=3584, inner=18944, layers=28, heads=28, kv_heads=4, vocabulary=152_064, tied=False
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FlopCount:
    """What the model is asked: tokens through body and head, visible pairs in attention."""

    body: int = 0
    head: int = 0
    pairs: int = 0

    def __add__(self, other: FlopCount) -> FlopCount:
        """Return both together."""
        return FlopCount(
            body=self.body + other.body,
            head=self.head + other.head,
            pairs=self.pairs + other.pairs,
        )

    def __mul__(self, times: int) -> FlopCount:
        """Return the same work several times."""
        return FlopCount(body=times * self.body, head=times * self.head, pairs=times * self.pairs)

    def forward(self, shape: Shape) -> int:
        """Return the operations of a forward pass."""
        return self._products(shape) + self._attention(shape)

    def step(self, shape: Shape) -> int:
        """Return the operations of a forward and a backward pass with frozen weights."""
        return 2 * self._products(shape) + 3 * self._attention(shape)

    def _products(self, shape: Shape) -> int:
        head = shape.hidden * shape.vocabulary
        return 2 * (self.body * shape.body_weights + self.head * head)

    def _attention(self, shape: Shape) -> int:
        return 4 * self.pairs * shape.layers * shape.attention_width


def run(own: int, *, past: int = 0, head: int = 0) -> FlopCount:
    """Return the work of one row: `own` causal positions behind `past` ones."""
    return FlopCount(body=own, head=head, pairs=own * past + own * (own + 1) // 2)


def official_step(domain: int, sample: int, lengths: Sequence[int]) -> FlopCount:
    """B rows behind the domain tokens, B + B² behind sample tokens too, all padded, all logits."""
    batch, longest = len(lengths), max(lengths)
    alone, whole = domain + longest, domain + sample + longest
    return run(alone, head=alone) * batch + run(whole, head=whole) * (batch + batch**2)


def shared_step(domain: int, sample: int, lengths: Sequence[int]) -> FlopCount:
    """Each prefix once, each text behind each prefix, without padding and its last token."""
    batch = len(lengths)
    work = run(domain) + run(sample, past=domain) * batch
    for length in lengths:
        work += run(length - 1, past=domain, head=1)
        work += run(length - 1, past=domain + sample, head=1) * batch
        work += FlopCount(head=length - 1) * (1 + batch)
    return work


def one_by_one(prompt: int, new: int) -> FlopCount:
    """One sample without cached keys and values: the complete sequence for each token."""
    works = [run(prompt + made, head=1) for made in range(new)]
    return sum(works, FlopCount())


def batched(prompt: int, lengths: Sequence[int]) -> FlopCount:
    """The prompt once, then each token of each sample once."""
    work = replace(run(prompt), head=1)
    for length in lengths:
        for made in range(length - 1):
            work += run(1, past=prompt + made, head=1)
    return work


def in_batches(prompt: int, lengths: Sequence[int], size: int) -> FlopCount:
    """The prompt for each sample, and every batch as long as its longest sample."""
    work = FlopCount()
    for start in range(0, len(lengths), size):
        batch = lengths[start : start + size]
        alike = batched(prompt, [max(batch)])  # one row's prompt and tokens
        work += alike * len(batch)
    return work
