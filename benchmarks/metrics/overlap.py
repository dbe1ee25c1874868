"""When two texts are the same task: shared word n-grams, and near-duplicates by MinHash.

Words are characters where a script has no spaces. Texts that hold code are equal where every sign
is; texts in prose where their words are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from domino.text import Units, details, sameness, word_share, words

_SHINGLE = 3  # words: long enough to carry order, short enough for a one-sentence instruction
_PERMUTATIONS = 128

Owner = tuple[str, str]
"""Whose text it is: (group, id)."""


def ngrams(tokens: Sequence[str], n: int) -> set[Units]:
    """Return all runs of `n` tokens; the whole text where it is shorter than that."""
    if not tokens:
        return set()
    return {tuple(tokens[i : i + n]) for i in range(max(1, len(tokens) - n + 1))}


def runs(text: str, n: int) -> set[Units]:
    """Return all runs of `n` words; what the text is the same by where it is shorter than that.

    Of a script without spaces as many characters count as a word as one has on average.
    """
    units = words(text)
    ends = [0.0, *accumulate(map(word_share, units))]
    stops = (bisect_left(ends, end + n) for end in ends[:-1])
    found = {units[start:stop] for start, stop in enumerate(stops) if stop < len(ends)}
    return found or ({same} if (same := sameness(text)) else set())


class NgramIndex:
    """Finds protected texts that share a run of `n` words with another text.

    A text of fewer than `n` words is found by equality alone. A run that more than `common`
    owners' texts contain is the wording of a template and not evidence.
    """

    def __init__(self, texts: Sequence[tuple[Owner, str]], *, n: int, common: int) -> None:
        """Index texts by owner; an owner may have several, the earlier owner is found first."""
        self._n = n
        grams = [(owner, gram) for owner, text in texts for gram in runs(text, n)]
        counts = Counter(gram for _, gram in set(grams))
        self._owners: dict[Units, Owner] = {}
        for owner, gram in grams:
            if counts[gram] <= common:
                self._owners.setdefault(gram, owner)

    def find(self, text: str) -> tuple[Owner, str] | None:
        """Return the owner of a shared run and the run itself, None where nothing is shared."""
        shared = [gram for gram in runs(text, self._n) if gram in self._owners]
        if not shared:
            return None
        gram = min(shared)
        return self._owners[gram], " ".join(gram)


class NearDuplicates:
    """Finds protected texts whose word shingles have at least `threshold` Jaccard similarity.

    In a text with code a sign is a word, and case counts.

    MinHash proposes, the exact similarity decides: an estimate alone drops what it should not.
    """

    def __init__(self, texts: Sequence[tuple[Owner, str]], *, threshold: float) -> None:
        """Index texts by owner; an owner may have several."""
        from datasketch import MinHashLSH

        self._threshold = threshold
        self._lsh = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
        self._entries = [(owner, ngrams(details(text), _SHINGLE)) for owner, text in texts]
        for number, (_, shingles) in enumerate(self._entries):
            self._lsh.insert(number, _minhash(shingles))

    def find(self, text: str) -> tuple[Owner, float] | None:
        """Return the owner of the most similar text and the similarity, None below threshold."""
        shingles = ngrams(details(text), _SHINGLE)
        if not shingles:
            return None
        similar = [
            (jaccard(shingles, self._entries[number][1]), -number)
            for number in self._lsh.query(_minhash(shingles))
        ]
        best, number = max(similar, default=(0.0, 0))
        return (self._entries[-number][0], best) if best >= self._threshold else None


class SameTask:
    """Finds protected texts that are the same task by a suite's own key, or equal texts."""

    def __init__(
        self, texts: Sequence[tuple[Owner, str]], key: Callable[[str], str | None]
    ) -> None:
        """Index texts by owner; `key` gives a text's canonical key, None where it has none."""
        self._key = key
        self._keys: dict[str, Owner] = {}
        self._texts: dict[Units, Owner] = {}
        for owner, text in texts:
            self._texts.setdefault(sameness(text), owner)
            canonical = key(text)
            if canonical is not None:
                self._keys.setdefault(canonical, owner)

    @property
    def has_keys(self) -> bool:
        """Whether any text has a key."""
        return bool(self._keys)

    def find(self, text: str) -> Owner | None:
        """Return the owner of the same task, None where no protected text is it."""
        canonical = self._key(text)
        by_key = self._keys.get(canonical) if canonical is not None else None
        return by_key or self._texts.get(sameness(text))


def jaccard(left: set[Units], right: set[Units]) -> float:
    """Return the share of common items among all items of both sets, 1 for two empty sets."""
    union = left | right
    return len(left & right) / len(union) if union else 1.0


def _minhash(shingles: set[Units]) -> Any:
    from datasketch import MinHash

    sketch = MinHash(num_perm=_PERMUTATIONS)
    sketch.update_batch([" ".join(shingle).encode() for shingle in sorted(shingles)])
    return sketch
