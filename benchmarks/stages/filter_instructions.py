"""Drop instructions that the suite cannot use, repeat earlier ones, or that the judge refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.judge import INSTRUCTION_GRADES, UNPARSABLE, grade, instruction_prompt
from benchmarks.stages.answers import teacher_counts
from benchmarks.stages.context import StageContext
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.sieve import Sieve, chunks
from benchmarks.stages.synthesize import SYNTHETIC
from benchmarks.stages.traits import Traits, always
from domino.records import Synthetic, derive_seed
from domino.text import normalised

if TYPE_CHECKING:
    from benchmarks.store.store import Stage
    from domino.engines.base import Engine

DUPLICATE, JUDGE = "duplicate", "judge"
FILTER_REASONS = frozenset({DUPLICATE, JUDGE, UNPARSABLE})
"""Why the filter drops an instruction; all other reasons are the suite's, which cannot read it."""


TRAITS = Traits(
    random=always,
    asks_teacher=lambda config: config.judge == "teacher" and config.judge_instructions,
)


def run(config: FilterConfig, synthesized: Stage, stage: Stage, context: StageContext) -> None:
    """Write kept.jsonl and dropped.jsonl from the synthesize stage's records."""
    records = synthesized.read(SYNTHETIC, Synthetic)
    sieve = Sieve(stage, records)
    context.progress.start(stage.name, len(records))
    context.progress.advance(sieve.sorted)
    earliest = first_ids(records)
    judge = cache(partial(context.judge, config.judge, stage))
    for chunk in chunks(sieve.pending()):
        _sort(config, chunk, earliest, sieve, judge, context)
        context.progress.advance(len(chunk))
    stage.finish(sieve.summary() | teacher_counts(stage))


def first_ids(records: Sequence[Synthetic]) -> dict[str, str]:
    """Return the id of the first record with each text, by what is equal for equal texts."""
    earliest: dict[str, str] = {}
    for record in records:
        earliest.setdefault(normalised(record.instruction), record.id)
    return earliest


def _sort(
    config: FilterConfig,
    chunk: Sequence[Synthetic],
    earliest: dict[str, str],
    sieve: Sieve,
    judge: Callable[[], Engine],
    context: StageContext,
) -> None:
    refusals = {r.id: _refusal(r, earliest, context) for r in chunk}
    candidates = [record for record in chunk if refusals[record.id] is None]
    grades = _grades(config, candidates, judge, context)
    for record in chunk:
        refusal = refusals[record.id] or grades.get(record.id)
        if refusal:
            sieve.drop(record, *refusal)
        else:
            sieve.keep(record)


def _refusal(
    record: Synthetic, earliest: dict[str, str], context: StageContext
) -> tuple[str, str] | None:
    refusal = context.suite.refuse_instruction(record.instruction)
    if refusal:
        return refusal
    first = earliest[normalised(record.instruction)]
    return (DUPLICATE, f"of {first}") if first != record.id else None


def _grades(
    config: FilterConfig,
    records: Sequence[Synthetic],
    judge: Callable[[], Engine],
    context: StageContext,
) -> dict[str, tuple[str, str]]:
    """Return the judge's refusals by id; none where the judge is off."""
    if not config.judge_instructions or not records:
        return {}
    prompts = [instruction_prompt(record.instruction) for record in records]
    seed = derive_seed(context.seed, "judge instructions")
    grades = grade(judge(), prompts, INSTRUCTION_GRADES, seed=seed)
    return {
        record.id: (UNPARSABLE, "") if given is None else (JUDGE, given)
        for record, given in zip(records, grades, strict=True)
        if given not in config.instruction_grades
    }
