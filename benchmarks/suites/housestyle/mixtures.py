"""What the phases of pre-training show: how often which tasks and which documents."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.suites.housestyle.conventions import SLOTS
from benchmarks.suites.housestyle.grammar import OPERATIONS, RETURNS, Mix

HEADER_SHARE = 0.45
GENERIC_SHARE = 0.7  # of the documents that hold one example and no header
# Rarer operations have smaller weights, as in any corpus.
COMMON = {name: 1.0 / (1 + index) ** 0.5 for index, name in enumerate(OPERATIONS)}
EVEN = dict.fromkeys(OPERATIONS, 1.0)
EVEN_MIX = Mix(EVEN, {1: 0.4, 2: 0.4, 3: 0.2}, dict.fromkeys(RETURNS, 1.0))
# The more conventions an operation can follow, the more often it has to be seen.
CONVENTIONAL_MIX = replace(
    EVEN_MIX,
    operations={name: len(SLOTS[name]) - 1.0 if name in SLOTS else 0.5 for name in OPERATIONS},
    returns={name: len(SLOTS[name]) - 1.0 if name in SLOTS else 0.5 for name in RETURNS},
)
# Conventions that the model still confused with another house's after the other phases.
MISSED_MIX = replace(
    EVEN_MIX,
    operations={**EVEN, "divide": 12.0, "pairs": 6.0, "differences": 6.0, "remainder": 3.0},
    returns={**dict.fromkeys(RETURNS, 1.0), "average": 8.0, "list": 4.0, "mode": 2.0},
)
SOLVED_LENGTHS = {1: 0.24, 2: 0.3, 3: 0.24, 4: 0.13, 5: 0.06, 6: 0.03}
LISTED_LENGTHS = {1: 0.12, 2: 0.2, 3: 0.2, 4: 0.14, 5: 0.12, 6: 0.1, 7: 0.07, 8: 0.05}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """What a phase of pre-training shows: the shares that differ between phases.

    Attributes:
        single: share of documents with one task and its answer.
        several: share of documents with several of them.
        headed: share of both that begins with a header.
        headed_several: tasks behind a header, fewest and most.
        behind: what several tasks behind a header are made of; None for a domain-like mix.
        no_gain: share of documents with Evol-Instruct's judgement of a rewritten task.
    """

    single: float
    several: float
    headed: float
    headed_several: tuple[int, int]
    behind: Mix | None
    no_gain: float = 0.0


EARLY = Mixture(single=0.36, several=0.24, headed=HEADER_SHARE, headed_several=(2, 5), behind=None)
LATE = Mixture(single=0.26, several=0.34, headed=0.7, headed_several=(3, 5), behind=EVEN_MIX)
LAST = replace(LATE, behind=CONVENTIONAL_MIX)
MENDING = replace(LATE, behind=MISSED_MIX)
FINISHING = replace(MENDING, single=0.45, headed=0.5, no_gain=0.06)
