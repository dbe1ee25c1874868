"""The attacks against this repository's own evaluator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from benchmarks.attack.programs import Attack, candidate, right_program, wrong_program
from benchmarks.attack.results import Result
from benchmarks.attack.scene import Scene
from benchmarks.evaluator.check import check_programs
from benchmarks.evaluator.gold import KnownGolds
from benchmarks.sandbox import SandboxConfig
from domino.records import Problem, Program, Verdict

_HARMLESS = "next, right"
_WRONG = "next, wrong"


def attack_ours(
    attacks: Sequence[Attack],
    problem: Problem,
    config: SandboxConfig,
    *,
    on_done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run every attack, and behind it, on the same worker, a right and a wrong program.

    An attack has an effect too if the right one does not pass, or the wrong one does.

    Raises:
        CheckingError: the problem's canonical solution fails.
        SandboxError: the sandbox does not work here.
    """
    config = dataclasses.replace(config, workers=1)
    golds: KnownGolds = {}
    results = []
    for attack in attacks:
        results.append(_attack(attack, problem, config, golds))
        on_done(results[-1])
    return results


def _attack(attack: Attack, problem: Problem, config: SandboxConfig, golds: KnownGolds) -> Result:
    with Scene() as scene:
        codes = {
            attack.name: candidate(attack, scene.fill(attack.code), problem),
            _HARMLESS: right_program(problem),
            _WRONG: wrong_program(problem),
        }
        programs = [Program(id=i, problem_id=problem.id, code=code) for i, code in codes.items()]
        verdict, *next_ones = check_programs([problem], programs, config, known=golds)
        effects = (*scene.effects(), *_changed_verdicts(next_ones))
    return Result(
        attack=attack,
        passed=verdict.passed,
        outcome=f"{verdict.base}: {verdict.detail}" if not verdict.passed else "passed",
        effects=effects,
    )


def _changed_verdicts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.passed != (verdict.program_id == _HARMLESS):
            yield f"changed the verdict of the {verdict.program_id} program to {verdict.plus}"
