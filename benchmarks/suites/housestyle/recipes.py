"""How the backbones are pre-trained: what they are shown, for how long, by which optimisers.

`HousesRecipe` makes the backbone of the tracks compositions and conventions, `DialectsRecipe` those
of the track dialects. A run is a number of chunks; each is a function of the seed and its number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.suites.housestyle.conventions import MARKERS
from benchmarks.suites.housestyle.corpus import Corpus
from benchmarks.suites.housestyle.dialects.corpus import DialectCorpus
from benchmarks.suites.housestyle.mixtures import (
    EARLY,
    FINISHING,
    LAST,
    LATE,
    MENDING,
    Mixture,
)
from domino.records import derive_seed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from benchmarks.suites.housestyle.documents import Document

    Optimizers = tuple[torch.optim.Optimizer, ...]
    Parameters = list[torch.nn.Parameter]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe(ABC):
    """What every pre-training run has.

    Attributes:
        seed: of the corpus and the weights.
        threads: of the CPU; another number rounds differently.
        vocabulary: tokens of the tokenizer, special ones included.
        tokenizer_documents: documents that the tokenizer is trained on.
        chunks: of the run; what a recipe adds at its end is not counted.
        chunk_documents: documents of a chunk; 1,024 are about 0.1 million tokens.
        batch_tokens: tokens in a batch, padding included.
        learning_rate: highest, of AdamW.
        last_share: of the learning rates that is left at the end.
        warmup_chunks: over which the rates rise.
        weight_decay: of every optimiser.
    """

    seed: int = 0
    threads: int = 1
    vocabulary: int = 1280
    tokenizer_documents: int = 12_000
    chunks: int = 160
    chunk_documents: int = 1024
    batch_tokens: int = 2048
    learning_rate: float = 2e-3
    last_share: float = 0.02
    warmup_chunks: float = 1.0
    weight_decay: float = 0.01

    @property
    def total(self) -> int:
        """The chunks of the complete run."""
        return self.chunks

    @property
    def markers(self) -> tuple[str, ...]:
        """Special tokens in addition to those of the chat template."""
        return ()

    def tokenizer_texts(self) -> Iterator[Document]:
        """Yield the documents that the tokenizer is trained on."""
        stream = self._documents(derive_seed(self.seed, "tokenizer"), 0)
        return islice(stream, self.tokenizer_documents)

    def chunk_seed(self, chunk: int) -> int:
        """Return the seed of a chunk's documents and of their order."""
        return derive_seed(self.seed, "chunk", chunk)

    def documents(self, chunk: int) -> Iterator[Document]:
        """Yield a chunk's documents."""
        return islice(self._documents(self.chunk_seed(chunk), chunk), self.chunk_documents)

    @abstractmethod
    def _documents(self, seed: int, chunk: int) -> Iterator[Document]:
        """Return an endless stream of what a chunk shows."""

    @abstractmethod
    def rate(self, chunk: float) -> float:
        """Return the share of the highest learning rates at a point of the run."""

    @abstractmethod
    def optimizers(self, model: PreTrainedModel) -> Optimizers:
        """Return the optimisers of the model's parameters, at their highest learning rates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HousesRecipe(Recipe):
    """Three mixtures, rounds that show what was missed, and a finish.

    Attributes:
        late_from: the first chunk of the late mixture.
        last_from: the first chunk of the last mixture, at which the learning rates are held.
        held_chunks: over which they do not fall.
        mending_rounds: how often, after `chunks`, what was still missed is shown.
        mending_chunks: of one round.
        mending_share: of the highest learning rates, at which a round begins.
        finishing_chunks: of the last round, with what the others crowded out.
        matrix_learning_rate: highest, of Muon, on the matrices between the layers.
    """

    late_from: int = 90
    last_from: int = 110
    held_chunks: int = 20
    mending_rounds: int = 2
    mending_chunks: int = 12
    mending_share: float = 0.12
    finishing_chunks: int = 12
    matrix_learning_rate: float = 5e-3

    @property
    def total(self) -> int:
        """With the rounds at the end."""
        return self._mended + self.finishing_chunks

    @property
    def markers(self) -> tuple[str, ...]:
        """Those of the conventions."""
        return MARKERS

    @property
    def _mended(self) -> int:
        return self.chunks + self.mending_rounds * self.mending_chunks

    def _documents(self, seed: int, chunk: int) -> Iterator[Document]:
        return iter(Corpus(seed, self.mixture(chunk)))

    def mixture(self, chunk: int) -> Mixture:
        """Return what a chunk shows."""
        if chunk < self.late_from:
            return EARLY
        if chunk < self.last_from:
            return LATE
        if chunk < self.chunks:
            return LAST
        return MENDING if chunk < self._mended else FINISHING

    def rate(self, chunk: float) -> float:
        """Rise, fall, hold, fall; then once more for each round."""
        if chunk >= self.chunks:
            return self._round_rate(chunk)
        held = min(max(0.0, chunk - self.last_from), self.held_chunks)
        fallen = (chunk - held) / (self.chunks - self.held_chunks)
        return min(1.0, chunk / self.warmup_chunks) * max(self.last_share, 1.0 - fallen)

    def _round_rate(self, chunk: float) -> float:
        if chunk < self._mended:
            done = (chunk - self.chunks) % self.mending_chunks / self.mending_chunks
        else:
            done = (chunk - self._mended) / self.finishing_chunks
        return max(self.last_share, self.mending_share * (1.0 - done))

    def optimizers(self, model: PreTrainedModel) -> Optimizers:
        """Return Muon for the matrices between the layers, and AdamW for all else.

        The conventions are rare associations, and Muon learns those in fewer tokens than AdamW.
        """
        import torch

        matrices, others = matrices_and_others(model)
        muon = torch.optim.Muon(
            matrices,
            lr=self.matrix_learning_rate,
            weight_decay=self.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        adamw = torch.optim.AdamW(
            others, lr=self.learning_rate, betas=(0.9, 0.98), weight_decay=self.weight_decay
        )
        return muon, adamw


@dataclass(frozen=True, kw_only=True, slots=True)
class DialectsRecipe(Recipe):
    """Dialects, then answers, then both again; float32, in which all processors are fast.

    By the first part the backbone knows the dialects and the steps of programs, and not what a
    program returns: one token in forty, which stays a guess until answers are most of the corpus.

    Attributes:
        coherence: the probability that a task keeps its document's dialect.
        falling_chunks: at which the rate of the first part would have fallen to nothing.
        answers_from: the first chunk of the second part.
        settling_from: the first chunk of the third part, in which the rate falls.
        answers_rate: share of the highest learning rate in the second part.
    """

    coherence: float
    vocabulary: int = 2048
    chunks: int = 116
    batch_tokens: int = 4096
    falling_chunks: int = 100
    answers_from: int = 90
    settling_from: int = 104
    answers_rate: float = 0.6

    def __post_init__(self) -> None:
        """Refuse what is not a probability."""
        if not 0.0 <= self.coherence <= 1.0:
            raise ValueError(f"coherence is {self.coherence}: give a probability, from 0 to 1")

    def _documents(self, seed: int, chunk: int) -> Iterator[Document]:
        answers = self.answers_from <= chunk < self.settling_from
        return iter(DialectCorpus(seed, self.coherence, answers))

    def rate(self, chunk: float) -> float:
        """Rise and fall, hold, fall to the end."""
        if chunk < self.answers_from:
            return min(1.0, chunk / self.warmup_chunks) * (1 - chunk / self.falling_chunks)
        left = (self.chunks - chunk) / (self.chunks - self.settling_from)
        return max(self.last_share, self.answers_rate * min(1.0, left))

    def optimizers(self, model: PreTrainedModel) -> Optimizers:
        """Return AdamW for everything."""
        import torch

        return (
            torch.optim.AdamW(
                model.parameters(),
                lr=self.learning_rate,
                betas=(0.9, 0.98),
                weight_decay=self.weight_decay,
                fused=True,
            ),
        )


def matrices_and_others(model: PreTrainedModel) -> tuple[Parameters, Parameters]:
    """Return the matrices between the layers, and embeddings, norms and biases."""
    matrices: Parameters = []
    others: Parameters = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    return matrices, others
