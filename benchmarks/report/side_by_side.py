"""References and the most similar sample of a method, with shared words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np

from domino.records import Reference
from domino.text import UNIT, words

if TYPE_CHECKING:
    import pandas as pd

SHARED_RUN = 5
"""Minimum length, in words, of a shared sequence that is marked."""
_SHOWN = 4
_COMPARED = 1000  # first samples of a method; all would take minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSpan:
    """A part of a text; `shared` if the other text contains it too."""

    text: str
    shared: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """A reference and the sample most similar to it.

    Attributes:
        reference: its text, in pieces.
        sample: the text of the sample, in pieces.
        similarity: share of words in common and in the same order, in [0, 1]; 1 is a copy.
        fate: what happened to the sample.
    """

    reference: tuple[TextSpan, ...]
    sample: tuple[TextSpan, ...]
    similarity: float
    fate: str

    @property
    def copy(self) -> bool:
        """Whether all words are the same."""
        return self.similarity == 1.0


def closest(
    references: Sequence[Reference], samples: pd.DataFrame, *, shown: int = _SHOWN
) -> list[SideBySide]:
    """Return the most similar pairs of a reference and its nearest sample, at most `shown`.

    Args:
        references: of the method.
        samples: one method's lines of the frame `samples`; the first 1,000 are compared.
        shown: maximum number of pairs.
    """
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    samples = samples.head(_COMPARED)
    if samples.empty or not references:
        return []
    similarity_rn = cdist(
        [words(reference.instruction) for reference in references],
        [words(text) for text in samples["instruction"]],
        scorer=Indel.normalized_similarity,
        dtype=np.float64,
    )
    nearest_r = similarity_rn.argmax(axis=1)
    best_r = similarity_rn.max(axis=1)
    order = np.argsort(-best_r, kind="stable")[:shown]
    return [_pair(references[r], samples.iloc[int(nearest_r[r])], float(best_r[r])) for r in order]


def _pair(reference: Reference, sample: pd.Series, similarity: float) -> SideBySide:
    left, right = mark(reference.instruction, sample["instruction"])
    return SideBySide(reference=left, sample=right, similarity=similarity, fate=sample["fate"])


def mark(left: str, right: str) -> tuple[tuple[TextSpan, ...], tuple[TextSpan, ...]]:
    """Split both texts into shared sequences of at least `SHARED_RUN` words, and the rest."""
    left_words, right_words = list(UNIT.finditer(left)), list(UNIT.finditer(right))
    matcher = SequenceMatcher(None, _folded(left_words), _folded(right_words), autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= SHARED_RUN]
    return (
        _pieces(left, [_span(left_words, block.a, block.size) for block in blocks]),
        _pieces(right, [_span(right_words, block.b, block.size) for block in blocks]),
    )


def _folded(found: Sequence[re.Match[str]]) -> list[str]:
    return [word.group().casefold() for word in found]


def _span(found: Sequence[re.Match[str]], first: int, size: int) -> tuple[int, int]:
    return found[first].start(), found[first + size - 1].end()


def _pieces(text: str, shared: Sequence[tuple[int, int]]) -> tuple[TextSpan, ...]:
    pieces, end = [], 0
    for start, stop in shared:
        pieces += [
            TextSpan(text=text[end:start], shared=False),
            TextSpan(text=text[start:stop], shared=True),
        ]
        end = stop
    pieces.append(TextSpan(text=text[end:], shared=False))
    return tuple(piece for piece in pieces if piece.text)
