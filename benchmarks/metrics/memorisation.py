"""How much of a set of texts repeats another: whole, nearly, or in long runs of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.metrics.overlap import NearDuplicates, ngrams
from domino.text import Units, sameness, words

NEAR = 0.7
"""Jaccard similarity of word shingles from which two texts count as nearly the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memorisation:
    """What n texts repeat of others.

    Attributes:
        n: how many texts there are.
        exact: share that equals another text: prose whatever its case and punctuation, text with
            code sign by sign.
        near: share with at least `NEAR` similarity to another text, the exact ones included.
        longest_run: mean length of the longest run that a text shares with any other, in words, or
            characters of a script without spaces.
        longest_share: the same as a mean share of the text's own words.
    """

    n: int
    exact: float
    near: float
    longest_run: float
    longest_share: float


def memorisation(texts: Sequence[str], others: Sequence[str]) -> Memorisation:
    """Return what texts repeat of others.

    Raises:
        ValueError: there are no texts, or no others.
    """
    if not texts or not others:
        raise ValueError(f"memorisation needs texts on both sides: {len(texts)} and {len(others)}")
    known = {sameness(other) for other in others}
    near = NearDuplicates(
        [(("other", str(number)), other) for number, other in enumerate(others)], threshold=NEAR
    )
    tokens = [words(text) for text in texts]
    runs = LongestRuns(others)
    lengths = [runs.find(text) for text in tokens]
    exact = [sameness(text) in known for text in texts]
    return Memorisation(
        n=len(texts),
        exact=sum(exact) / len(texts),
        near=sum(
            same or near.find(text) is not None for same, text in zip(exact, texts, strict=True)
        )
        / len(texts),
        longest_run=sum(lengths) / len(texts),
        longest_share=sum(
            length / max(1, len(text)) for length, text in zip(lengths, tokens, strict=True)
        )
        / len(texts),
    )


class LongestRuns:
    """Finds the longest run of words that a text shares with any of a set of texts."""

    def __init__(self, others: Sequence[str]) -> None:
        """Keep the texts; the runs of a length are collected when they are first asked for."""
        self._others = [words(other) for other in others]
        self._runs: dict[int, set[Units]] = {}

    def find(self, text: Units) -> int:
        """Return the length of the longest shared run, in words.

        A text that shares a run shares every shorter one, so the length is found by bisection.
        """
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if ngrams(text, middle) & self._of_length(middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _of_length(self, length: int) -> set[Units]:
        if length not in self._runs:
            self._runs[length] = {
                run
                for other in self._others
                if len(other) >= length
                for run in ngrams(other, length)
            }
        return self._runs[length]
