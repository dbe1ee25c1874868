"""What a fit says about itself: losses and their swap test, drift from the vocabulary, samples.

Shapes: P soft tokens, B references of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from domino.objective import Terms
from domino.text import UNIT_OR_SIGN

RUN = 8
"""Words in a run that two texts share only when one copies the other."""
COPIED = 0.9
"""The share of a sample's runs that one reference holds, from which on it is a copy."""


def step_metrics(terms: Terms, loss_BB: torch.Tensor | None) -> dict[str, float]:
    """Return the objective, its terms, and what the matrix of losses shows.

    `swap_gap` is how much worse texts are behind another's sample tokens than behind their own,
    `swap_lost` the share of swaps that make a text no worse: 0.5 where the sample tokens know
    nothing of their text, 0 where they know it well.
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
    """How a fit looks at what its tokens would generate.

    Attributes:
        draw: samples texts behind domain tokens [P, H]; equal tokens give equal samples.
        references: the texts that samples must not copy.
    """

    draw: Callable[[torch.Tensor], Sequence[str]]
    references: Sequence[str]

    def rates(self, domain_PH: torch.Tensor) -> dict[str, float]:
        """Draw and return `copy_rate` and `distinct_rate`, both shares of the samples."""
        return sample_rates(self.draw(domain_PH), self.references)


def sample_rates(samples: Sequence[str], references: Iterable[str]) -> dict[str, float]:
    """Return which share of the samples copy a reference, and which share are distinct.

    Case, spacing and line breaks are ignored; a mark is a word, and so is a character of a script
    without spaces. A sample copies a reference that
    holds at least nine tenths of its runs of eight words, which forgives a few changed words in
    long texts and next to none in short ones; below eight words it must be the reference.
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
