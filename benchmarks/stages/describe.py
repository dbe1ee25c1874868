"""Properties of a set of instructions: comparison with references and problems, and exact counts.

No filter and no score uses them. A measure that needs more texts than there are is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.metrics.alignment import FOLDS, classifier_test, mmd
from benchmarks.metrics.coverage import coverage
from benchmarks.metrics.diversity import compression_ratio, distinct_n, self_bleu, vendi_score
from benchmarks.metrics.memorisation import memorisation
from benchmarks.stages.context import StageContext
from benchmarks.stages.embed import read
from benchmarks.stages.synthesize import SYNTHETIC
from benchmarks.stages.traits import Traits
from domino.records import Record, Reference, Synthetic, stable_id
from domino.text import sameness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.store.store import Stage
    from benchmarks.suites.base import Suite

PROGRAMS_OF = "program_keys.jsonl"
GROUPS = ("references", "problems")
_ORACLE = ("valid", "in_domain", "copy", "recombined", "new_terms")
"""Of these, a suite knows what it knows."""
_T = TypeVar("_T")


TRAITS = Traits()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramKey(Record):
    """Which task an instruction states, by its id; "" where it states none of the suite's."""

    id: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DescribeConfig:
    """Whose texts are described: the group "drawn" of a method, or "references" of the domain."""

    group: str = "drawn"


@dataclass(frozen=True, slots=True)
class _Set:
    texts: Sequence[str]
    embeddings_nD: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)


def run(
    config: DescribeConfig,
    domain: Stage,
    embedded: Stage,
    source: Stage,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> None:
    """Finish with all measures in the summary; write the task that each instruction states.

    Args:
        config: the group.
        domain: the embedded domain.
        embedded: the embedded texts that are described.
        source: the stage that they come from, whose draws are counted by task.
        references: the references; they stand for `source` where it drew nothing of its own.
        stage: what is written.
        context: of the run.
    """
    own = _set(embedded, config.group)
    centre_D = read(domain, "problems")[1].mean(0)
    context.progress.start(stage.name, None)
    made = [(s.id, s.instruction) for s in source.read(SYNTHETIC, Synthetic)]
    if config.group == "references":
        made = [(r.id, r.instruction) for r in references]
    keys = program_keys(made, context.suite, references)
    stage.discard(PROGRAMS_OF)
    for key in keys:
        stage.append(PROGRAMS_OF, key)
    against = [group for group in GROUPS if group != config.group]
    stage.finish(
        {
            "n": len(own),
            "drawn": len(made),
            "programs": len({key.key for key in keys if key.key}),
            "diversity": _diversity(own, centre_D),
            **{group: _against(_set(domain, group), own) for group in against},
            "oracle": _oracle(own.texts, context.suite, references),
        }
    )


def program_keys(
    made: Sequence[tuple[str, str]], suite: Suite, references: Sequence[Reference]
) -> list[ProgramKey]:
    """Return which task each (id, instruction) states.

    By the suite's own key where its references have one, else by the instruction's text.
    """
    keyed = any(suite.program_key(reference.instruction) for reference in references)

    def key(text: str) -> str:
        return (suite.program_key(text) or "") if keyed else stable_id(*sameness(text))

    return [ProgramKey(id=identity, key=key(text)) for identity, text in made]


def _set(stage: Stage, group: str) -> _Set:
    texts, embeddings_nD = read(stage, group)
    return _Set([text.text for text in texts], embeddings_nD)


def _diversity(own: _Set, centre_D: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the measures of a set alone.

    A language model's mean states all point the same way, so that their cosines separate texts
    by a few percent: the Vendi score is taken from the problems' mean.
    """
    n, texts = len(own), own.texts
    centred_nD = own.embeddings_nD - centre_D if n else own.embeddings_nD
    centred_nD = centred_nD[centred_nD.any(axis=1)] if n else centred_nD
    return {
        "distinct_1": _with(n, 1, lambda: distinct_n(texts, 1)),
        "distinct_2": _with(n, 1, lambda: distinct_n(texts, 2)),
        "self_bleu": _with(n, 2, lambda: self_bleu(texts)),
        "compression": _with(n, 1, lambda: compression_ratio(texts)),
        "vendi": _with(len(centred_nD), 1, lambda: vendi_score(centred_nD)),
    }


def _against(other: _Set, own: _Set) -> dict[str, Any]:
    """Return the measures of texts against one group of the domain, small sets left out."""
    smaller = min(len(other), len(own))
    given = (other.embeddings_nD, own.embeddings_nD)
    return {
        "n": len(other),
        "memorisation": _with(smaller, 1, lambda: asdict(memorisation(own.texts, other.texts))),
        "coverage": _with(smaller, 2, lambda: asdict(coverage(*given))),
        "classifier": _with(smaller, 2 * FOLDS, lambda: asdict(classifier_test(*given))),
        "mmd": _with(smaller, 2, lambda: asdict(mmd(*given))),
    }


def _with(n: int, needed: int, measure: Callable[[], _T]) -> _T | None:
    return measure() if n >= needed else None


def _oracle(
    texts: Sequence[str], suite: Suite, references: Sequence[Reference]
) -> dict[str, float]:
    """Return exact shares, where the suite's universe is known: of these texts, and covered."""
    facts = (suite.oracle(text, None, references) for text in texts)
    known = [fact for fact in facts if fact is not None]
    if not known:
        return {}
    named = [name for name in _ORACLE if name in known[0]]
    shares = {name: sum(bool(fact[name]) for fact in known) / len(known) for name in named}
    covered = suite.support_coverage(texts)
    return shares if covered is None else {**shares, "coverage": covered}
