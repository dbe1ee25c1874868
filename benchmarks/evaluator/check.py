"""Verdicts on programs: each runs in the sandbox, and its outputs are compared out here.

Expected outputs come from running the canonical solution in the same sandbox, on this machine,
which also gives the time limits: a call may use several times the canonical one's processor time.
A program whose timeout may come from contention is rerun alone before the verdict counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.evaluator.gold import Gold, KnownGolds, canonical_code
from benchmarks.evaluator.runners import runnable
from benchmarks.evaluator.schedule import Schedule
from benchmarks.evaluator.targets import is_target, target_verdicts
from benchmarks.evaluator.verdicts import CheckingError
from benchmarks.sandbox import EncodedInputs, Job, JobResult, Output, SandboxConfig, WorkerPool
from benchmarks.sandbox.worker.codec import MAX_NODES
from benchmarks.sandbox.worker.decoder import canonical, decode, has_opaque, nodes
from domino.records import Outcome, Problem, Program, Verdict


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Verdicts in the programs' order, and how many programs were rerun without contention."""

    verdicts: list[Verdict]
    retried_timeouts: int


def check_programs(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] = lambda verdict: None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdict on each program, in order; `on_done` gets each when it is final.

    What the problems' canonical solutions showed before may be given as `known`, and is added to.

    Raises:
        CheckingError: a program's problem is not there, or its canonical solution fails, if only on
            plus inputs, where a program came to them.
        SandboxError: the sandbox itself does not work.
    """
    return check(problems, programs, config, on_done=on_done, known=known).verdicts


def check(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] = lambda verdict: None,
    known: KnownGolds | None = None,
) -> CheckReport:
    """Do as `check_programs`, and count the retried timeouts."""
    wanted = _problems_of(problems, programs)
    compared = target_verdicts(wanted, programs)
    for verdict in compared.values():
        on_done(verdict)
    numbers = [number for number in range(len(programs)) if number not in compared]
    run = [programs[number] for number in numbers]
    checking = Schedule(
        _problems_of(problems, run), run, config, known, on_done, all_or_nothing=True
    )
    if run:
        checking.run()
    if failed := checking.failures():
        raise CheckingError(_cannot_be_scored(failed))
    verdicts = compared | {number: checking.verdicts[n] for n, number in enumerate(numbers)}
    return CheckReport([verdicts[n] for n in range(len(programs))], len(checking.to_rerun))


def _cannot_be_scored(failed: Sequence[Verdict]) -> str:
    named = ", ".join(f"{verdict.problem_id} ({verdict.detail})" for verdict in failed[:5])
    return (
        f"the canonical solutions of {len(failed)} problems fail in the sandbox (maybe others), so "
        f"nothing can be scored: {named}; raise the sandbox's limits, or leave these problems out"
    )


def canonical_failures(
    problems: Sequence[Problem],
    config: SandboxConfig,
    *,
    on_done: Callable[[], None] = lambda: None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdicts of the canonical solutions that do not pass their own problem.

    Each runs twice: for the expected outputs, and to be checked against them. A problem that states
    its expected outputs and has no solution cannot fail. `on_done` is called as a problem's
    expected outputs on base inputs are there, and as its solution has been checked. Limits come
    from the first run; if the second exceeds them, because the machine has become busy since, it is
    rerun with the limits of a canonical solution.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    answers = [_canonical(p) for p in problems if is_target(p) and p.canonical_solution]
    unequal = [v for v in target_verdicts(problems, answers).values() if not v.passed]
    for _ in answers:
        on_done()
    problems = [problem for problem in problems if not is_target(problem)]
    if not problems:
        return unequal
    programs = [
        _canonical(problem)
        for problem in problems
        if problem.canonical_solution or problem.meta.get("answer")
    ]
    first = Schedule(problems, programs, config, known, lambda verdict: on_done(), on_done)
    first.run()
    timeouts = [n for n, verdict in first.verdicts.items() if verdict.plus is Outcome.TIMEOUT]
    patient: KnownGolds = {
        key: gold.patient() for key, gold in first.golds.items() if isinstance(gold, Gold)
    }
    slow = [programs[number] for number in timeouts]
    again = Schedule(_problems_of(problems, slow), slow, config, patient)
    again.run()
    verdicts = first.verdicts | {timeouts[n]: verdict for n, verdict in again.verdicts.items()}
    failed = {verdict.problem_id: verdict for verdict in (*first.failures(), *again.failures())}
    wrong = (verdicts[n] for n in sorted(verdicts) if not verdicts[n].passed)
    others = (verdict for verdict in wrong if verdict.problem_id not in failed)
    return [*unequal, *failed.values(), *others]


def behaviours(pairs: Sequence[tuple[Problem, Program]], config: SandboxConfig) -> list[str | None]:
    """Return what each program makes of its problem's base inputs, as one string.

    Two programs of one problem have equal strings exactly where all their outputs are equal in
    type and value; None stands for a program that did not return cleanly on every input. A problem
    needs no canonical solution here; a call may take `config.input_timeout_s`.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    return [_behaviour(result) for result in _results(pairs, config)]


def returned_texts(
    pairs: Sequence[tuple[Problem, Program]], config: SandboxConfig
) -> list[str | None]:
    """Return the text that each program returns on its problem's first base input.

    None stands for a program that did not return cleanly on every input, or returned no text.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    return [_text(result) for result in _results(pairs, config)]


def _results(pairs: Sequence[tuple[Problem, Program]], config: SandboxConfig) -> list[JobResult]:
    """Run each program on its problem's base inputs, equal ones once."""
    encoded = {problem.id: EncodedInputs.of(problem.base_inputs) for problem, _ in pairs}
    jobs: dict[tuple[str, str], Job] = {}
    for problem, program in pairs:
        inputs = encoded[problem.id]
        source = runnable(problem, program.code)
        jobs[problem.id, program.code] = Job(
            id=program.id,
            code=source.code,
            entry_point=source.entry_point,
            forks=source.forks,
            inputs=inputs,
            input_limits_s=config.input_limits_s([0.0] * inputs.count),
        )
    results = dict(zip(jobs, _run_with_retry(list(jobs.values()), config), strict=True))
    return [results[problem.id, program.code] for problem, program in pairs]


def _canonical(problem: Problem) -> Program:
    """Return the program that must pass: the problem's answer if that is not a solution."""
    code = problem.meta.get("answer") or (
        problem.canonical_solution if is_target(problem) else canonical_code(problem)
    )
    return Program(id=f"canonical/{problem.id}", problem_id=problem.id, code=code)


def _problems_of(problems: Sequence[Problem], programs: Sequence[Program]) -> list[Problem]:
    known = {problem.id: problem for problem in problems}
    wanted = dict.fromkeys(program.problem_id for program in programs)
    missing = [key for key in wanted if key not in known]
    if missing:
        raise CheckingError(
            f"{len(missing)} problems of the programs are not in the suite, the first is "
            f"{missing[0]!r}: check them against the data set that they were made for"
        )
    return [known[key] for key in wanted]


def _run_with_retry(jobs: Sequence[Job], config: SandboxConfig) -> list[JobResult]:
    results = WorkerPool(config).map(lambda worker, job: worker.run_concurrently(job), jobs)
    undecided = [index for index, result in enumerate(results) if result.needs_rerun]
    again = WorkerPool(dataclasses.replace(config, workers=1)).map(
        lambda worker, index: worker.run_alone(jobs[index]), undecided
    )
    for index, result in zip(undecided, again, strict=True):
        results[index] = result
    return results


def _behaviour(result: JobResult) -> str | None:
    if result.outcome is not Outcome.PASSED:
        return None
    try:
        outputs = [output for output in result.outputs if isinstance(output, Output)]
        if sum(nodes(output.text) for output in outputs) > MAX_NODES:
            return None
        values = [output.tagged for output in outputs]
        return None if has_opaque(values) else canonical(values)
    except Exception:  # noqa: BLE001 - the boundary: no reply may end the evaluation
        return None


def _text(result: JobResult) -> str | None:
    if result.outcome is not Outcome.PASSED or not isinstance(result.outputs[0], Output):
        return None
    try:
        value = decode(result.outputs[0].tagged)
    except ValueError:  # CodecError is one: a reply is data
        return None
    return value if isinstance(value, str) else None
