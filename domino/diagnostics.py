"""Diagnostics of a fit: losses and their swap test, distance from the vocabulary, samples.

Shapes: P soft tokens, B references of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from domino.objective import Terms
from domino.text import UNIT_OR_SIGN

RUN = 8
"""Length in words of a sequence that two texts share only if one copies the other."""
COPIED = 0.9
"""A sample is a copy if a reference contains at least this share of its word sequences."""


def step_metrics(terms: Terms, loss_BB: torch.Tensor | None) -> dict[str, float]:
    """Return the objective, its terms, and measures of the matrix of losses.

    `swap_gap` is the increase of a text's loss with another text's sample tokens; `swap_lost` is
    the share of swaps that do not increase it: 0.5 if sample tokens carry no information on their
    text, 0 if they identify it.
    """
    values = {"objective": terms.total, "domain": terms.domain}
    if terms.reconstruction is not None:
        values["reconstruction"] = terms.reconstruction
    if terms.contrastive is not None:
        values["contrastive"] = terms.contrastive
    if loss_BB is not None:
        values |= _swap_test(loss_BB.detach())
    return {name: float(value.detach()) for name, value in values.items()}


def _swap_test(loss_BB: torch.Tensor) -> dict[str, torch.Tensor]:
    own_B = loss_BB.diagonal()
    pairs = max(loss_BB.numel() - len(own_B), 1)
    swapped = (loss_BB.sum() - own_B.sum()) / pairs
    no_worse = (loss_BB <= own_B).sum() - len(own_B)  # column j against its own diagonal
    return {
        "diagonal_loss": own_B.mean(),
        "off_diagonal_loss": swapped,
        "swap_gap": swapped - own_B.mean(),
        "swap_lost": no_worse / pairs,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """How a fit samples from its tokens to check for copies.

    Attributes:
        draw: samples texts from domain tokens [P, H]; equal tokens give equal samples.
        references: the texts that samples must not copy.
    """

    draw: Callable[[torch.Tensor], Sequence[str]]
    references: Sequence[str]

    def rates(self, domain_PH: torch.Tensor) -> dict[str, float]:
        """Sample, and return `copy_rate` and `distinct_rate`, both shares of the samples."""
        return sample_rates(self.draw(domain_PH), self.references)


def sample_rates(samples: Sequence[str], references: Iterable[str]) -> dict[str, float]:
    """Return the share of samples that copy a reference, and the share that are distinct.

    Case, spacing and line breaks are ignored; a punctuation mark is a word, and so is a character
    of a script without spaces. A sample is a copy if a reference contains at least nine tenths of
    its sequences of eight words. This allows a few changed words in long texts and almost none in
    short ones; with fewer than eight words it must equal the reference.
    """
    if not samples:
        return {"copy_rate": 0.0, "distinct_rate": 0.0}
    known = [_words(text) for text in references]
    drawn = [_words(text) for text in samples]
    copies = sum(any(_copies(sample, reference) for reference in known) for sample in drawn)
    return {
        "copy_rate": copies / len(drawn),
        "distinct_rate": len(set(drawn)) / len(drawn),
    }


def _words(text: str) -> tuple[str, ...]:
    return tuple(UNIT_OR_SIGN.findall(text.casefold()))


def _copies(sample: tuple[str, ...], reference: tuple[str, ...]) -> bool:
    if len(sample) < RUN:
        return bool(sample) and sample == reference
    held = set(_runs(reference))
    runs = _runs(sample)
    return sum(run in held for run in runs) >= COPIED * len(runs)


def _runs(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [words[start : start + RUN] for start in range(len(words) - RUN + 1)]


def one_line(metrics: Mapping[str, float]) -> str:
    """Return metrics as one line, in their order."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())
