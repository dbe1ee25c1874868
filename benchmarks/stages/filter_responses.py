"""Drop responses that cannot be used, do not agree with one another, or that the judge refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.evaluator.check import behaviours
from benchmarks.judge import RESPONSE_GRADES, UNPARSABLE, grade, response_prompt
from benchmarks.stages.context import StageContext
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.respond import CANDIDATES, RESPONSES, Candidates
from benchmarks.stages.sieve import Sieve, chunks
from benchmarks.stages.traits import Traits, always
from domino.records import Problem, Program, Synthetic, derive_seed

if TYPE_CHECKING:
    from benchmarks.store.store import Stage

NO_AGREEMENT = "no agreement"
Refusal = tuple[str, str]


TRAITS = Traits(random=always, runs_programs=always, asks=True)


def run(config: FilterConfig, responded: Stage, stage: Stage, context: StageContext) -> None:
    """Write kept.jsonl and dropped.jsonl; a kept response is one that most samples agree with."""
    records = responded.read(RESPONSES, Synthetic)
    candidates = {c.id: c.responses for c in responded.read(CANDIDATES, Candidates)}
    sieve = Sieve(stage, records)
    context.progress.start(stage.name, len(records))
    context.progress.advance(sieve.sorted)
    for chunk in chunks(sieve.pending()):
        _sort(config, chunk, candidates, sieve, context)
        context.progress.advance(len(chunk))
    stage.finish(sieve.summary())


def _sort(
    config: FilterConfig,
    chunk: Sequence[Synthetic],
    candidates: dict[str, tuple[str, ...]],
    sieve: Sieve,
    context: StageContext,
) -> None:
    usable = _usable(chunk, candidates, context)
    agreed = _agreed(config, chunk, candidates, usable, context)
    chosen = [agreed[record.id] for record in chunk]
    wrong = _wrong([r for r in chosen if isinstance(r, Synthetic)], context)
    right = [r for r in chosen if isinstance(r, Synthetic) and r.id not in wrong]
    refusals = {**wrong, **_grades(config, right, context)}
    for record, choice in zip(chunk, chosen, strict=True):
        refusal = refusals.get(record.id) if isinstance(choice, Synthetic) else choice
        if refusal:
            sieve.drop(record, *refusal)
        elif isinstance(choice, Synthetic):
            sieve.keep(choice)


def _usable(
    records: Sequence[Synthetic], candidates: dict[str, tuple[str, ...]], context: StageContext
) -> dict[str, list[str] | Refusal]:
    """Return by id the responses that the suite accepts, or why it refuses the first one."""
    texts = {r.id: candidates.get(r.id) or (r.response or "",) for r in records}
    pairs = [(record.instruction, text) for record in records for text in texts[record.id]]
    refusals = iter(context.suite.refuse_responses(pairs))
    found: dict[str, list[str] | Refusal] = {}
    for record in records:
        own = list(zip(texts[record.id], refusals, strict=False))
        accepted = [text for text, refusal in own if refusal is None]
        found[record.id] = accepted or next(refusal for _, refusal in own if refusal is not None)
    return found


def _agreed(
    config: FilterConfig,
    chunk: Sequence[Synthetic],
    candidates: dict[str, tuple[str, ...]],
    usable: dict[str, list[str] | Refusal],
    context: StageContext,
) -> dict[str, Synthetic | Refusal]:
    """Return for each record what it is kept as, or why it is dropped."""
    voting = {
        record.id: texts
        for record in chunk
        if record.id in candidates and isinstance(texts := usable[record.id], list)
    }
    keys = _behaviour_keys([r for r in chunk if r.id in voting], voting, context)
    result: dict[str, Synthetic | Refusal] = {}
    for record in chunk:
        texts = usable[record.id]
        if isinstance(texts, tuple):
            result[record.id] = texts
        elif record.id not in voting:
            result[record.id] = record
        else:
            vote = majority(texts, keys[record.id], len(candidates[record.id]))
            result[record.id] = _by_vote(config, record, *vote)
    return result


def majority(
    texts: Sequence[str], keys: Sequence[str | None], samples: int
) -> tuple[str | None, float]:
    """Return the first text of the largest group of equal keys, and its share of all samples.

    None is not a key: a program that did not run cleanly agrees with nothing. Of groups of one size
    the one that came first wins.
    """
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return None, 0.0
    key, size = counts.most_common(1)[0]
    return texts[list(keys).index(key)], size / samples


def _by_vote(
    config: FilterConfig, record: Synthetic, text: str | None, share: float
) -> Synthetic | Refusal:
    if text is None:
        return ("no candidate runs", "")
    if share < config.consistency_share:
        return (NO_AGREEMENT, f"largest group has {share:.0%} of the samples")
    return replace(record, response=text)


def _behaviour_keys(
    records: Sequence[Synthetic], voting: dict[str, list[str]], context: StageContext
) -> dict[str, list[str | None]]:
    """Return a key of what each candidate does, by record id; all programs run in one call."""
    pairs: list[tuple[Problem, Program]] = []
    spans: dict[str, slice | None] = {}
    for record in records:
        seed = derive_seed(context.seed, "behaviour", record.id)
        problem = context.suite.behaviour_problem(record.instruction, seed)
        start = len(pairs)
        if problem is not None:
            pairs += _programs(record, problem, voting[record.id], context)
        spans[record.id] = slice(start, len(pairs)) if problem is not None else None
    ran = behaviours(pairs, context.sandbox) if pairs else []
    return {
        record_id: [" ".join(text.split()) for text in voting[record_id]]
        if span is None
        else ran[span]
        for record_id, span in spans.items()
    }


def _programs(
    record: Synthetic, problem: Problem, texts: Sequence[str], context: StageContext
) -> list[tuple[Problem, Program]]:
    taken = context.suite.extract_all([(problem, text) for text in texts])
    return [
        (problem, Program(id=f"{record.id}/{number}", problem_id=problem.id, code=extracted.code))
        for number, extracted in enumerate(taken)
    ]


def _wrong(records: Sequence[Synthetic], context: StageContext) -> dict[str, Refusal]:
    """Return by id why the suite refuses pairs that it can find out about by running them."""
    pairs = [(record.instruction, record.response or "") for record in records]
    refusals = context.suite.refuse_by_running(pairs, context.sandbox)
    return {r.id: refusal for r, refusal in zip(records, refusals, strict=True) if refusal}


def _grades(
    config: FilterConfig, records: Sequence[Synthetic], context: StageContext
) -> dict[str, Refusal]:
    """Return the judge's refusals by id; none where the judge is off."""
    if not config.judge_responses or not records:
        return {}
    prompts = [response_prompt(record.instruction, record.response or "") for record in records]
    seed = derive_seed(context.seed, "judge responses")
    grades = grade(context.engine(), prompts, RESPONSE_GRADES, seed=seed)
    return {
        record.id: (UNPARSABLE, "") if given is None else ("judge", given)
        for record, given in zip(records, grades, strict=True)
        if given not in config.response_grades
    }
