"""The attacks against this repository's own evaluator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from benchmarks.attack.programs import Attack, candidate, right_program, wrong_program
from benchmarks.attack.results import Result
from benchmarks.attack.scene import Scene
from benchmarks.attack.tasks import own_problem
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

    One that has a problem of its own is judged under that one's rules.

    An attack has an effect too if the right one does not pass, or the wrong one does.

    Raises:
        CheckingError: the problem's canonical solution fails.
        SandboxError: the sandbox does not work here.
    """
    golds: dict[str, KnownGolds] = {}
    results = []
    for attack in attacks:
        own = own_problem(attack.problem) if attack.problem else problem
        limits = dataclasses.replace(config, workers=1, **attack.settings)
        # Limits of time come from the canonical solution and the settings.
        known = {} if attack.settings else golds.setdefault(attack.problem, {})
        results.append(_attack(attack, own, limits, known))
        on_done(results[-1])
    return results


def _attack(attack: Attack, problem: Problem, config: SandboxConfig, golds: KnownGolds) -> Result:
    with Scene(noise=attack.noise) as scene:
        code = candidate(attack, scene.fill(attack.code), problem)
        codes = {
            **{f"{attack.name} {number}": code for number in range(attack.samples)},
            _HARMLESS: right_program(problem),
            _WRONG: wrong_program(problem),
        }
        programs = [Program(id=i, problem_id=problem.id, code=code) for i, code in codes.items()]
        verdicts = check_programs([problem], programs, config, known=golds)
        own, next_ones = verdicts[: attack.samples], verdicts[attack.samples :]
        effects = (*scene.effects(), *_changed_verdicts(next_ones))
    told = next((verdict for verdict in own if verdict.passed), own[-1])
    return Result(
        attack=attack,
        passed=told.passed,
        outcome="passed" if told.passed else f"{told.base}: {told.detail}",
        effects=effects,
    )


def _changed_verdicts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.passed != (verdict.program_id == _HARMLESS):
            yield f"changed the verdict of the {verdict.program_id} program to {verdict.plus}"
