"""Number of records after each step, from the requested instructions to the fine-tuned pairs.

The steps are read from the stages' summaries. In every step, in = kept + dropped, and the records
that a step keeps enter the next one. If a row failed, its unfinished records count as dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.pipeline.rows import FailedRun
from benchmarks.stages.decontaminate import OVER_BUDGET
from benchmarks.stages.filter_instructions import FILTER_REASONS
from benchmarks.stages.sieve import CountError

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun

NEVER_DRAWN = "never drawn"
"""Reason for instructions that were requested and that the method did not yield."""
ROW_FAILED = "row failed"
"""Reason for records that were not finished when their row failed."""

Summaries = Mapping[str, Mapping[str, Any]]
Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunnelStep:
    """One step: `incoming` = `kept` + the sum of `dropped`, which counts by reason."""

    name: str
    incoming: int
    kept: int
    dropped: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Funnel:
    """One method over all seeds.

    Attributes:
        method: its name.
        asked: number of requested instructions; for a method that adds none, of its own.
        refused: candidates that the method itself rejected, by reason; not part of any step.
        steps: what happened to the requested instructions.
    """

    method: str
    asked: int
    refused: Counts
    steps: tuple[FunnelStep, ...]

    @property
    def dropped(self) -> dict[str, int]:
        """Counts by reason over all steps, the largest first."""
        return total(step.dropped for step in self.steps)

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers for the columns COUNTED."""
        return self.asked, *(step.kept for step in self.steps), sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class _FunnelStep:
    name: str
    stage: str
    drops: Callable[[Summaries], Counts]
    kept: Callable[[Summaries], int] | None = None
    """The stage's own count, which must agree; only for the last step of a stage."""


def _stage_step(name: str, stage: str) -> _FunnelStep:
    return _FunnelStep(
        name, stage, lambda given: given[stage]["dropped"], lambda given: int(given[stage]["kept"])
    )


def _instruction_drops(given: Summaries, *, by_filter: bool) -> Counts:
    dropped: Counts = given["filter-instructions"]["dropped"]
    return {key: count for key, count in dropped.items() if (key in FILTER_REASONS) == by_filter}


def _contaminated(given: Summaries) -> Counts:
    dropped: Counts = given["decontaminate"]["dropped"]
    return {reason: count for reason, count in dropped.items() if reason != OVER_BUDGET}


def _not_trained(given: Summaries) -> Counts:
    over = {OVER_BUDGET: given["decontaminate"]["dropped"].get(OVER_BUDGET, 0)}
    return total([over, given["finetune"]["dropped"]])


_STEPS = (
    _FunnelStep(
        "generated", "synthesize",
        lambda given: total([{NEVER_DRAWN: given["synthesize"]["missing"]}]),
        lambda given: int(given["synthesize"]["drawn"]),
    ),
    _FunnelStep(
        "parsed", "filter-instructions",
        lambda given: _instruction_drops(given, by_filter=False),
    ),
    _FunnelStep(
        "kept by filter", "filter-instructions",
        lambda given: _instruction_drops(given, by_filter=True),
        lambda given: int(given["filter-instructions"]["kept"]),
    ),
    _stage_step("answered", "respond"),
    _stage_step("kept by response filter", "filter-responses"),
    _FunnelStep("not contaminated", "decontaminate", _contaminated),
    _FunnelStep(
        "fine-tuned on", "finetune", _not_trained, lambda given: int(given["finetune"]["kept"])
    ),
)  # fmt: skip

STEP_NAMES = tuple(step.name for step in _STEPS)
COUNTED = ("asked", *STEP_NAMES, "refused by the method itself")
"""Columns of the table: records requested, kept by each step, and rejected by the method."""


def funnel(method: str, rows: Sequence[SeedRun | FailedRun]) -> Funnel:
    """Return the counts of one method's rows, one row per seed.

    Raises:
        CountError: a stage's counts are inconsistent with those of earlier stages.
    """
    walked = [_walk(row) for row in rows]
    steps = tuple(_together([steps[n] for _, steps in walked]) for n in range(len(_STEPS)))
    refused = total(_summaries(row).get("synthesize", {}).get("refused", {}) for row in rows)
    return Funnel(
        method=method, asked=sum(asked for asked, _ in walked), refused=refused, steps=steps
    )


def total(counts: Iterable[Counts]) -> dict[str, int]:
    """Add counts by name, the largest first; counts of 0 are left out."""
    added: Counter[str] = Counter()
    for part in counts:
        added.update(part)
    return {name: count for name, count in added.most_common() if count}


def _walk(row: SeedRun | FailedRun) -> tuple[int, list[FunnelStep]]:
    """Return the number of requested instructions of a row, and its steps."""
    given = _summaries(row)
    drawn = given.get("synthesize")
    if drawn is not None:
        asked = int(drawn["drawn"] + drawn["missing"])
    else:
        asked = row.asked if isinstance(row, FailedRun) else 0
    incoming, steps = asked, []
    for step in _STEPS:
        dropped = total([step.drops(given) if step.stage in given else {ROW_FAILED: incoming}])
        kept = incoming - sum(dropped.values())
        if step.kept is not None and step.stage in given and step.kept(given) != kept:
            raise CountError(
                f"{row.method} seed {row.seed}, {step.name}: {incoming} in, {dropped} dropped, "
                f"but its stage recorded {step.kept(given)} kept"
            )
        steps.append(FunnelStep(name=step.name, incoming=incoming, kept=kept, dropped=dropped))
        incoming = kept
    return asked, steps


def _summaries(row: SeedRun | FailedRun) -> dict[str, Mapping[str, Any]]:
    return {stage.name: stage.summary for stage in row.stages}


def _together(steps: Sequence[FunnelStep]) -> FunnelStep:
    return FunnelStep(
        name=steps[0].name,
        incoming=sum(step.incoming for step in steps),
        kept=sum(step.kept for step in steps),
        dropped=total(step.dropped for step in steps),
    )
