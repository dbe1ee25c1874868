"""Verdicts on answers to problems that state a target: no program is run for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.evaluator.matching import LIMIT_S, search_all
from benchmarks.evaluator.scorers import MAX_CHARACTERS, Target, scored, target_of, verdict
from domino.records import Outcome, Problem, Program, Verdict

REGEX = "regex"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A program that is an answer, its number, and what it is compared with."""

    number: int
    program: Program
    target: Target


def is_target(problem: Problem) -> bool:
    """Whether a problem's answers are compared, and not run."""
    return target_of(problem) is not None


def target_verdicts(problems: Sequence[Problem], programs: Sequence[Program]) -> dict[int, Verdict]:
    """Return the verdicts on the programs that are answers, by the programs' numbers."""
    targets = {problem.id: target_of(problem) for problem in problems}
    answers = [
        _Answer(number, program, target)
        for number, program in enumerate(programs)
        if (target := targets.get(program.problem_id)) is not None
    ]
    found = {a.number: verdict(a.program, a.target) for a in answers if a.target.scorer != REGEX}
    return found | _by_pattern([a for a in answers if a.target.scorer == REGEX])


def _by_pattern(answers: Sequence[_Answer]) -> dict[int, Verdict]:
    searches = [
        (pattern, _flags(answer.target), answer.program.code[:MAX_CHARACTERS])
        for answer in answers
        for pattern in answer.target.answers
    ]
    results = iter(search_all(searches))
    found = {}
    for answer in answers:
        own = [next(results) for _ in answer.target.answers]
        found[answer.number] = _pattern_verdict(answer, own)
    return found


def _pattern_verdict(answer: _Answer, found: Sequence[bool | None]) -> Verdict:
    right = any(found)
    made = scored(answer.program, right=right, got=answer.program.code, target=answer.target)
    if right or None not in found:
        return made
    over = f"the pattern took more than {LIMIT_S:g} s on this answer"
    return replace(made, base=Outcome.TIMEOUT, plus=Outcome.TIMEOUT, detail=over)


def _flags(target: Target) -> int:
    return int(re.IGNORECASE) if target.options.get("ignore_case") else 0
