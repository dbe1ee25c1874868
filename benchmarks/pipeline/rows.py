"""One method with one seed: its finished stages, or where it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.store.store import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """A set of instructions: its embeddings and its measures."""

    embedded: Stage
    measures: Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a run's data is like.

    Attributes:
        domain: the stage that holds references and problems.
        references: the references themselves, against the problems.
        rows: by method and seed; rows that failed before they drew anything have none.
    """

    domain: Stage
    references: Described
    rows: Mapping[tuple[str, int], Described]


STEPS = (
    "synthesize", "filter-instructions", "respond", "filter-responses", "decontaminate",
    "finetune", "evaluate",
)  # fmt: skip
"""The stages of a row, in the order of `run.run_row`: a failed row names its stage by place."""
FIELDS = ("synthesized", "filtered", "responded", "agreed", "pairs", "tuned", "evaluated")
"""The fields of `SeedRun` that hold them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedRun:
    """One method with one seed: its finished stages, in the order of the run."""

    method: str
    seed: int
    synthesized: Stage
    filtered: Stage
    responded: Stage
    agreed: Stage
    pairs: Stage
    tuned: Stage
    evaluated: Stage

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, from first to last."""
        return (
            self.synthesized, self.filtered, self.responded, self.agreed, self.pairs, self.tuned,
            self.evaluated,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRun:
    """One method with one seed that could not go on; the same command tries it again.

    Attributes:
        asked: instructions that the method was asked for.
        stages: the stages that it finished, in the order of the run.
        stage: the stage that it failed in.
        reason: why, in one line.
    """

    method: str
    seed: int
    asked: int
    stages: tuple[Stage, ...]
    stage: str
    reason: str


def row_steps(config: RunConfig) -> int:
    """Return how many steps the rows of a run have, the check of the suite's solutions included."""
    return 1 + len(STEPS) * len(config.methods) * len(config.seeds)
