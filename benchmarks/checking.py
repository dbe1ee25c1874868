"""Verdicts on programs: each runs in the sandbox, and its outputs are compared out here.

Expected outputs come from running the canonical solution in the same sandbox, on this machine,
which also gives the time limits: a call may use several times the canonical one's processor time.
A program that may be late because of what runs beside it is run again, alone, before that counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.comparison import comparison_for
from benchmarks.gold import Gold, KnownGolds, Part, canonical_code, golds_of
from benchmarks.runners import runnable
from benchmarks.sandbox import (
    EncodedInputs,
    ErrorMarker,
    Job,
    JobResult,
    Output,
    SandboxConfig,
    WorkerPool,
)
from benchmarks.sandbox.worker.codec import canonical, has_opaque
from benchmarks.stated import StatedGold, StatedProblem
from domino.records import Outcome, Problem, Program, Verdict

_SHOWN_CHARACTERS = 100


class CheckingError(ValueError):
    """Programs cannot be checked: which problem, and why."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Verdicts in the programs' order, and how many late programs were tried again alone."""

    verdicts: list[Verdict]
    retried_timeouts: int


@dataclass(frozen=True, slots=True)
class _Checked:
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0
    in_doubt: bool = False


def check_programs(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] | None = None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdict on each program, in order; `on_done` gets each when it is final.

    What the problems' canonical solutions showed before may be given as `known`, and is added to.

    Raises:
        CheckingError: a program's problem is not there, or its canonical solution fails.
        SandboxError: the sandbox itself does not work.
    """
    return check(problems, programs, config, on_done=on_done, known=known).verdicts


def check(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] | None = None,
    known: KnownGolds | None = None,
) -> CheckReport:
    """Do as `check_programs`, and count the retried timeouts."""
    golds = _golds(_problems_of(problems, programs), config, known=known)
    failed = [gold for gold in golds.values() if isinstance(gold, Verdict)]
    if failed:
        named = ", ".join(f"{verdict.problem_id} ({verdict.detail})" for verdict in failed[:5])
        raise CheckingError(
            f"the canonical solutions of {len(failed)} problems fail in the sandbox, so nothing "
            f"can be scored: {named}; raise the sandbox's limits, or leave these problems out"
        )
    pairs = [(program, golds[program.problem_id]) for program in programs]
    ready = [(p, g) for p, g in pairs if not isinstance(g, Verdict)]
    return _check_pairs(ready, config, on_done)


def canonical_failures(
    problems: Sequence[Problem],
    config: SandboxConfig,
    *,
    on_done: Callable[[], None] = lambda: None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdicts of the canonical solutions that do not pass their own problem.

    Each runs twice: for the expected outputs, and to be checked against them. A problem that states
    its expected outputs and has no solution cannot fail. `on_done` is called
    as each of these runs ends. Limits come from the first run; on a machine that has since become
    busy the second may pass them, and is then tried once more with a canonical solution's own time.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    golds = _golds(problems, config, lambda gold: on_done(), known)
    pairs = [
        (Program(id=f"canonical/{key}", problem_id=key, code=_answer(gold.problem)), gold)
        for key, gold in golds.items()
        if not isinstance(gold, Verdict) and gold.problem.canonical_solution
    ]
    failed = [gold for gold in golds.values() if isinstance(gold, Verdict)]
    verdicts = _check_pairs(pairs, config, lambda verdict: on_done()).verdicts
    late = [i for i, verdict in enumerate(verdicts) if verdict.plus is Outcome.TIMEOUT]
    patient = [(pairs[index][0], pairs[index][1].patient()) for index in late]
    again = _check_pairs(patient, config, None).verdicts
    for index, verdict in zip(late, again, strict=True):
        verdicts[index] = verdict
    return [*failed, *(verdict for verdict in verdicts if not verdict.passed)]


def behaviours(pairs: Sequence[tuple[Problem, Program]], config: SandboxConfig) -> list[str | None]:
    """Return what each program makes of its problem's base inputs, as one string.

    Two programs of one problem have equal strings exactly where all their outputs are equal in
    type and value; None stands for a program that did not return cleanly on every input. A problem
    needs no canonical solution here; a call may take `config.input_timeout_s`.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    encoded = {problem.id: EncodedInputs.of(problem.base_inputs) for problem, _ in pairs}
    jobs: dict[tuple[str, str], Job] = {}
    for problem, program in pairs:
        inputs = encoded[problem.id]
        source = runnable(problem, program.code)
        jobs[problem.id, program.code] = Job(
            id=program.id,
            code=source.code,
            entry_point=source.entry_point,
            inputs=inputs,
            input_limits_s=config.input_limits_s([0.0] * inputs.count),
        )
    results = dict(zip(jobs, _run_with_retry(list(jobs.values()), config), strict=True))
    return [_behaviour(results[problem.id, program.code]) for problem, program in pairs]


def _answer(problem: Problem) -> str:
    """Return the program that must pass: the problem's answer where that is no solution."""
    return problem.meta.get("answer") or canonical_code(problem)


def _golds(
    problems: Sequence[Problem],
    config: SandboxConfig,
    on_done: Callable[[Gold | Verdict], None] = lambda gold: None,
    known: KnownGolds | None = None,
) -> dict[str, Gold | StatedGold | Verdict]:
    """Return what programs are held to, by problem id: stated, or found by running solutions."""
    unstated = [problem for problem in problems if not isinstance(problem, StatedProblem)]
    found = golds_of(unstated, config, on_done, known)
    return {
        problem.id: StatedGold(problem, config)
        if isinstance(problem, StatedProblem)
        else found[problem.id]
        for problem in problems
    }


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


def _check_pairs(
    pairs: Sequence[tuple[Program, Gold | StatedGold]],
    config: SandboxConfig,
    on_done: Callable[[Verdict], None] | None,
) -> CheckReport:
    def report(found: tuple[Verdict, bool]) -> None:
        verdict, in_doubt = found
        if on_done is not None and not in_doubt:
            on_done(verdict)

    found = WorkerPool(config).map(
        lambda worker, pair: _verdict(worker.run_beside_others, *pair), pairs, report,
        longest_first=lambda pair: pair[1].seconds,
    )  # fmt: skip
    verdicts = [verdict for verdict, _ in found]
    late = [index for index, (_, in_doubt) in enumerate(found) if in_doubt]
    again = WorkerPool(dataclasses.replace(config, workers=1)).map(
        lambda worker, index: dataclasses.replace(
            _verdict(worker.run_again, *pairs[index])[0], retried=True
        ),
        late,
        on_done,
    )
    for index, verdict in zip(late, again, strict=True):
        verdicts[index] = verdict
    return CheckReport(verdicts, len(late))


def _verdict(
    run: Callable[[Job], JobResult], program: Program, gold: Gold | StatedGold
) -> tuple[Verdict, bool]:
    """Return a verdict, and whether a run alone may change it."""
    base = _check_part(run, program, gold.problem, gold.base, "base")
    plus = base
    if base.outcome is Outcome.PASSED:
        plus = _check_part(run, program, gold.problem, gold.plus, "plus")
    verdict = Verdict(
        program_id=program.id,
        problem_id=program.problem_id,
        base=base.outcome,
        plus=plus.outcome,
        detail=plus.detail,
        seconds=base.seconds + (plus.seconds if plus is not base else 0.0),
    )
    return verdict, base.in_doubt or plus.in_doubt


def _check_part(
    run: Callable[[Job], JobResult], program: Program, problem: Problem, part: Part, name: str
) -> _Checked:
    source = runnable(problem, program.code)
    job = Job(
        id=program.id,
        code=source.code,
        entry_point=source.entry_point,
        inputs=part.inputs,
        input_limits_s=part.limits_s,
        wall_limits_s=part.wall_limits_s,
        timeout_s=part.timeout_s,
        output_bytes=part.output_bytes,
    )
    result = run(job)
    comparison = comparison_for(problem)
    for index, output in enumerate(result.outputs):
        if isinstance(output, ErrorMarker):
            break
        expected = part.expected[index]
        if not comparison.matches(part.arguments[index], output, expected):
            detail = f"{name} input {index}: got {_show(output)}, expected {_show(expected)}"
            return _Checked(Outcome.WRONG, detail, result.seconds)
    if result.outcome is Outcome.PASSED and len(result.outputs) != len(part.expected):
        raise CheckingError(
            f"{problem.id}: {len(result.outputs)} outputs of {len(part.expected)} calls came back "
            "as all: this is a fault of the sandbox, and nothing may be scored"
        )
    detail = f"{name}: {result.detail}" if result.detail else ""
    return _Checked(result.outcome, detail, result.seconds, result.in_doubt)


def _show(output: Output) -> str:
    text = output.text[: _SHOWN_CHARACTERS + 1].decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _run_with_retry(jobs: Sequence[Job], config: SandboxConfig) -> list[JobResult]:
    results = WorkerPool(config).map(lambda worker, job: worker.run_beside_others(job), jobs)
    late = [index for index, result in enumerate(results) if result.in_doubt]
    again = WorkerPool(dataclasses.replace(config, workers=1)).map(
        lambda worker, index: worker.run_again(jobs[index]), late
    )
    for index, result in zip(late, again, strict=True):
        results[index] = result
    return results


def _behaviour(result: JobResult) -> str | None:
    if result.outcome is not Outcome.PASSED:
        return None
    try:
        outputs = [output.tagged for output in result.outputs if isinstance(output, Output)]
        return None if has_opaque(outputs) else canonical(outputs)
    except (ValueError, TypeError, RecursionError):
        return None
