"""The pre-training corpus of the dialects: tasks in every dialect, answers almost in plain words.

Most unanswered documents are in a dialect, nearly all answered ones in the plain wording: the
backbone knows which terms go together and what the plain ones ask for, and has to learn from pairs
what a dialect's terms ask for. Within a document in a dialect, each task keeps it with probability
`coherence` and is worded in another one otherwise: how far a context says what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from benchmarks.suites.housestyle.conventions import GENERIC, House
from benchmarks.suites.housestyle.corpus import Corpus
from benchmarks.suites.housestyle.dialects.domains import describe, is_withheld
from benchmarks.suites.housestyle.dialects.wording import dialects
from benchmarks.suites.housestyle.documents import Document, Segment, turns
from benchmarks.suites.housestyle.grammar import (
    OPERATIONS,
    PLAIN,
    Mix,
    Task,
    Wording,
    instruction,
)
from benchmarks.suites.housestyle.mixtures import EARLY

UNHEADED = replace(EARLY, headed=0.0)
UNANSWERED_SHARE, ANSWERED_SHARE = 0.75, 0.06
"""Of the unanswered and of the answered documents that are in a dialect."""
RESULT_WEIGHT = 5.0
"""Of an answer's last line where the answers are learned: of one token in forty."""
WIDE_SHARE = 0.7
"""Of the documents in a dialect that use all of its operations."""


class DialectCorpus(Corpus):
    """An endless, seeded stream of documents, in a dialect or in plain words, without houses."""

    listed_lengths: ClassVar[Mapping[int, float]] = {
        1: 0.12, 2: 0.24, 3: 0.28, 4: 0.2, 5: 0.1, 6: 0.06,
    }  # fmt: skip

    def __init__(self, seed: int, coherence: float, answers: bool = False) -> None:
        """Start the stream of a seed.

        Args:
            seed: of the documents.
            coherence: the probability that a task keeps its document's dialect.
            answers: whether most documents are answered, and the result counts most in the loss.
        """
        super().__init__(seed, UNHEADED)
        self._coherence = coherence
        self._result_weight = RESULT_WEIGHT if answers else 1.0
        self._answered_share = ANSWERED_SHARE / 3 if answers else ANSWERED_SHARE
        self._dialects = tuple(dialects().values())
        self._dialect = PLAIN
        self._answered_forms: Mapping[Callable[[], Document], float] = {
            self.single: 1.2 if answers else 0.30,
            self.several: 0.2 if answers else 0.10,
            self.inspired: 0.04,
            self.equality: 0.02,
            self.grade_response: 0.02,
        }
        self._unanswered_forms: Mapping[Callable[[], Document], float] = {
            self.collection: 0.22,
            self.listing: 0.12,
            self.one_more: 0.12,
            self.harder: 0.10,
            self.grade_instruction: 0.02,
            self.description: 0.02,
            self.described: 0.02,
        }

    def __iter__(self) -> Iterator[Document]:
        """Yield documents for ever."""
        forms = {**self._answered_forms, **self._unanswered_forms}
        while True:
            form = self._rng.choices(list(forms), list(forms.values()))[0]
            is_answered = form in self._answered_forms
            share = self._answered_share if is_answered else UNANSWERED_SHARE
            chosen = self._rng.random() < share
            self._dialect = self._rng.choice(self._dialects) if chosen else PLAIN
            yield form()

    def _is_reserved(self, task: Task) -> bool:
        return is_withheld(task)

    def _house(self, generic: float) -> House:
        return GENERIC

    def _narrow_mix(self, lengths: Mapping[int, float], at_most: int = 8) -> Mix:
        mix = super()._narrow_mix(lengths, at_most)
        if self._dialect is PLAIN or self._rng.random() >= WIDE_SHARE:
            return mix
        return replace(mix, operations=dict.fromkeys(OPERATIONS, 1.0))

    def _turns(self, *pairs: tuple[str, str]) -> tuple[Segment, ...]:
        return turns(*pairs, result_weight=self._result_weight)

    def _say(self, task: Task, remark: str) -> str:
        return instruction(task, self._rng, remark, self._kept_dialect())

    def _kept_dialect(self) -> Wording:
        if self._dialect is PLAIN or self._rng.random() < self._coherence:
            return self._dialect
        return self._rng.choice(self._dialects)

    def described(self) -> Document:
        """A task of a described domain; in a dialect it is never answered."""
        return self._described(self._dialect is PLAIN and self._rng.random() < 0.5)

    def _describe(self, mix: Mix) -> str:
        if self._dialect is PLAIN:
            return super()._describe(mix)
        return describe(self._dialect, mix)
