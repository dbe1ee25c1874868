"""The verdict on one program: what it returned, held against what is expected of it.

Large outputs come as hashes at first, and whole only where these do not tell: a program that
answers by chance is then judged by the second run alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.comparison import comparison_for
from benchmarks.gold import Gold, Part
from benchmarks.runners import runnable
from benchmarks.sandbox import ErrorMarker, HashedOutput, Job, JobResult, Output
from benchmarks.sandbox.host import Worker
from benchmarks.stated import StatedGold
from domino.records import Outcome, Problem, Program, Verdict

_SHOWN_CHARACTERS = 100

Run = Callable[[Worker, Job], JobResult]
"""How a worker runs a job: beside others, or again and alone."""


class CheckingError(ValueError):
    """Programs cannot be checked: which problem, and why."""


@dataclass(frozen=True, slots=True)
class _Checked:
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0
    in_doubt: bool = False


def verdict_on(
    worker: Worker, run: Run, program: Program, gold: Gold | StatedGold
) -> tuple[Verdict, bool]:
    """Return a verdict, and whether a run alone may change it.

    Raises:
        CheckingError: the outputs that came are not those of the calls.
        SandboxError: the sandbox broke.
    """
    base = _check_part(worker, run, program, gold.problem, gold.base, "base")
    plus = base
    if base.outcome is Outcome.PASSED:
        plus = _check_part(worker, run, program, gold.problem, gold.plus, "plus")
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
    worker: Worker, run: Run, program: Program, problem: Problem, part: Part, name: str
) -> _Checked:
    result = run(worker, _job(program, problem, part))
    checked = _compared(problem, part, result, name)
    if checked is None and part.whole is not None:
        part = part.whole.part(worker)
        result = run(worker, _job(program, problem, part))
        checked = _compared(problem, part, result, name)
    if checked is None:
        detail = f"{problem.id}: an output came hashed that must come whole"
        raise CheckingError(f"{detail}: this is a fault of the sandbox, and nothing may be scored")
    return checked


def _job(program: Program, problem: Problem, part: Part) -> Job:
    source = runnable(problem, program.code)
    return Job(
        id=program.id,
        code=source.code,
        entry_point=source.entry_point,
        inputs=part.inputs,
        input_limits_s=part.limits_s,
        wall_limits_s=part.wall_limits_s,
        timeout_s=part.timeout_s,
        output_bytes=part.output_bytes,
        hash_above=part.hash_above,
    )


def _compared(problem: Problem, part: Part, result: JobResult, name: str) -> _Checked | None:
    """Return what the outputs are worth; None where hashes alone cannot tell.

    Rules with tolerances may let an output pass that is not equal, and look at expected outputs
    before it to know: nothing behind a hash is called wrong.
    """
    comparison = comparison_for(problem)
    hashed = False
    for index, output in enumerate(result.outputs):
        if isinstance(output, ErrorMarker):
            break
        expected = part.expected[index]
        if isinstance(output, HashedOutput) or isinstance(expected, HashedOutput):
            hashed = True
            if output != expected:
                return None
        elif not comparison.matches(part.arguments[index], output, expected):
            if hashed:
                return None
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
