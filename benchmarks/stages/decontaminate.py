"""Drop pairs that repeat a problem, a reference or each other, then limit their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.metrics.overlap import NearDuplicates, NgramIndex, Owner, SameTask
from benchmarks.stages.context import StageContext
from benchmarks.stages.errors import StageError
from benchmarks.stages.sieve import KEPT, Sieve
from benchmarks.stages.traits import Traits
from domino.records import Reference, Synthetic
from domino.text import Units, details, sameness

if TYPE_CHECKING:
    from benchmarks.store.store import Stage
    from benchmarks.suites.base import Split, Suite

OVER_BUDGET = "over budget"
DUPLICATE = "duplicate"
_SOLUTION_TOKENS = 20
"""Shorter solutions are shared by many tasks."""

Refusal = tuple[str, str]
Check = Callable[[Synthetic], Refusal | None]


TRAITS = Traits()


@dataclass(frozen=True, kw_only=True, slots=True)
class DecontaminateConfig:
    """When two tasks count as the same, and the maximum number of pairs.

    Attributes:
        ngram: a pair that shares this many consecutive words with a problem or a reference is
            dropped.
        common: a sequence of words in more than this many problems and references counts as a
            template's wording, not as evidence.
        similarity: minimum Jaccard similarity of word shingles for near-duplicates.
        pairs: maximum number of pairs; None keeps all. Set by the run for each method.
        references: also drop pairs that repeat a reference. Set by the run: off if a method's
            instructions are the references.
    """

    ngram: int = 8
    common: int = 10
    similarity: float = 0.7
    pairs: int | None = None
    references: bool = True

    def __post_init__(self) -> None:
        """Refuse limits that would drop everything or nothing."""
        if self.ngram < 2:
            raise StageError(f"ngram is {self.ngram}: give at least 2 words")
        if self.common < 1:
            raise StageError(f"common is {self.common}: give at least 1")
        if not 0 < self.similarity <= 1:
            raise StageError(f"similarity is {self.similarity}: give a value in (0, 1]")
        if self.pairs is not None and self.pairs < 1:
            raise StageError(f"pairs is {self.pairs}: give at least 1, or none for all")


def run(
    config: DecontaminateConfig,
    agreed: Stage,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> None:
    """Write kept.jsonl and dropped.jsonl; the first `pairs` clean pairs are kept, in order."""
    records = agreed.read(KEPT, Synthetic)
    sieve = Sieve(stage, records)
    context.progress.start(stage.name, len(records))
    context.progress.advance(sieve.sorted)
    pending = sieve.pending()
    check = checker(config, references, context.suite) if pending else lambda record: None
    earliest = _first_of_equals(records)
    for record in pending:
        refusal = _duplicate(record, earliest) or check(record)
        if refusal is None and config.pairs is not None and len(sieve.kept) >= config.pairs:
            refusal = (OVER_BUDGET, "")
        if refusal:
            sieve.drop(record, *refusal)
        else:
            sieve.keep(record)
        context.progress.advance()
    missing = max(0, config.pairs - len(sieve.kept)) if config.pairs is not None else 0
    stage.finish({**sieve.summary(), "missing": missing})


def _first_of_equals(records: Sequence[Synthetic]) -> dict[Units, str]:
    earliest: dict[Units, str] = {}
    for record in records:
        earliest.setdefault(sameness(record.instruction), record.id)
    return earliest


def _duplicate(record: Synthetic, earliest: Mapping[Units, str]) -> Refusal | None:
    first = earliest[sameness(record.instruction)]
    return (DUPLICATE, f"of {first}") if first != record.id else None


def checker(config: DecontaminateConfig, references: Sequence[Reference], suite: Suite) -> Check:
    """Return the function that finds the protected text that a pair repeats.

    A suite whose tasks have keys decides by these whether tasks are the same: with instructions
    from a small grammar, different tasks share long sequences of words.
    """
    protected = _protected(config, references, suite)
    same = SameTask(protected, suite.program_key)
    return _by_key(same) if same.has_keys else by_words(config, protected, _solutions(suite))


def _protected(
    config: DecontaminateConfig, references: Sequence[Reference], suite: Suite
) -> list[tuple[Owner, str]]:
    """Return all texts that must not be repeated, with the group and id of their owners."""
    splits: tuple[Split, ...] = ("test", "development")
    texts = [
        ((f"{split} problem", problem.id), text)
        for split in splits
        for problem in suite.problems(split)
        for text in dict.fromkeys((suite.instruction(problem), problem.prompt))
    ]
    if config.references:
        texts += [(("reference", reference.id), reference.instruction) for reference in references]
    return texts


def _by_key(same: SameTask) -> Check:
    def check(record: Synthetic) -> Refusal | None:
        owner = same.find(record.instruction)
        return _repeats(owner, "same task") if owner else None

    return check


def _solutions(suite: Suite) -> list[tuple[Owner, str]]:
    """Return the canonical solutions that are long enough to be recognised."""
    splits: tuple[Split, ...] = ("test", "development")
    return [
        ((f"{split} problem", problem.id), problem.canonical_solution)
        for split in splits
        for problem in suite.problems(split)
        if len(details(problem.canonical_solution)) >= _SOLUTION_TOKENS
    ]


def by_words(
    config: DecontaminateConfig,
    protected: Sequence[tuple[Owner, str]],
    solutions: Sequence[tuple[Owner, str]],
) -> Check:
    """Return the function that says which protected text a pair shares words with."""
    grams = NgramIndex([*protected, *solutions], n=config.ngram, common=config.common)
    near = NearDuplicates(protected, threshold=config.similarity)

    def check(record: Synthetic) -> Refusal | None:
        shared = grams.find(record.instruction) or grams.find(record.response or "")
        if shared:
            return _repeats(shared[0], f"shares {shared[1]!r}")
        close = near.find(record.instruction)
        return _repeats(close[0], f"similarity {close[1]:.2f}") if close else None

    return check


def _repeats(owner: Owner, how: str) -> Refusal:
    group, identity = owner
    return f"repeats a {group}", f"{identity}: {how}"
