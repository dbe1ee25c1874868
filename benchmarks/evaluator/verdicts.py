"""The verdict on one program: what it returns, held against what is expected of it.

Outputs are looked at as they come, and the first that is wrong decides, while the program goes on:
its end would tell its siblings which answer was wrong. Large ones come as hashes at first, and
whole only where these do not tell, of a second run, whose outputs must then have the same hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.evaluator.comparison import comparison_for
from benchmarks.evaluator.gold import Gold, Part
from benchmarks.evaluator.runners import runnable
from benchmarks.evaluator.stated import StatedGold
from benchmarks.sandbox import AnyOutput, ErrorMarker, HashedOutput, Job, JobResult, Output
from benchmarks.sandbox.host import StopEarly, Worker
from benchmarks.sandbox.worker import codec
from domino.records import Outcome, Problem, Program, Verdict

_SHOWN_CHARACTERS = 100

_AT_ONCE_BYTES = 1 << 16
"""Whole outputs above it, and all after them, wait for the program's end: its clock goes on."""

Run = Callable[[Worker, Job, StopEarly], JobResult]
"""How a worker runs a job: with others at the same time, or again and alone."""


class CheckingError(ValueError):
    """Programs cannot be checked: which problem, and why."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a program's outputs on the base or the plus inputs are worth.

    Attributes:
        outcome: PASSED where all are right.
        detail: why it is not.
        seconds: wall time.
        needs_rerun: whether a run alone may change it.
    """

    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0
    needs_rerun: bool = False


def check_part(
    worker: Worker, run: Run, program: Program, gold: Gold | StatedGold, *, plus: bool
) -> Checked:
    """Run a program on the base or the plus inputs, and look at its outputs.

    Raises:
        CheckingError: the outputs that came are not those of the calls.
        SandboxError: the sandbox broke.
    """
    name, part = ("plus", gold.plus) if plus else ("base", gold.base)
    if part is None:
        raise AssertionError(f"{program.id} has no plus outputs to be held to")

    def held_to(part: Part) -> tuple[JobResult, Checked | None]:
        comparing = _Comparing(gold.problem, part, name)
        result = run(worker, _job(program, gold.problem, part), comparing)
        return result, comparing.checked(result)

    first, checked = held_to(part)
    if checked is None and part.whole is not None:
        second, checked = held_to(part.whole.part(worker))
        if checked and checked.outcome is Outcome.PASSED and not _same_outputs(first, second, part):
            detail = f"{name}: its outputs are others each time that it runs"
            checked = Checked(Outcome.WRONG, detail, second.seconds)
    if checked is None:
        detail = f"{gold.problem.id}: an output was hashed that must be complete"
        raise CheckingError(f"{detail}: this is a fault of the sandbox, and nothing may be scored")
    return checked


def verdict_of(program: Program, base: Checked, plus: Checked | None) -> Verdict:
    """Return the verdict; `plus` is None where the base's outcome says all."""
    last = plus or base
    return Verdict(
        program_id=program.id,
        problem_id=program.problem_id,
        base=base.outcome,
        plus=last.outcome,
        detail=last.detail,
        seconds=base.seconds + (plus.seconds if plus else 0.0),
    )


def _job(program: Program, problem: Problem, part: Part) -> Job:
    source = runnable(problem, program.code)
    return Job(
        id=program.id,
        code=source.code,
        entry_point=source.entry_point,
        forks=source.forks,
        inputs=part.inputs,
        input_limits_s=part.limits_s,
        wall_limits_s=part.wall_limits_s,
        timeout_s=part.timeout_s,
        output_bytes=part.output_bytes,
        hash_above=part.hash_above,
    )


def _same_outputs(hashed: JobResult, whole: JobResult, part: Part) -> bool:
    """Whether the outputs that came as hashes have them still: a program may answer by chance."""
    return all(
        isinstance(second, Output)
        and codec.hash_of(second.tagged, part.hash_above or 0) == first.sha256
        for first, second in zip(hashed.outputs, whole.outputs, strict=False)
        if isinstance(first, HashedOutput)
    )


class _Comparing:
    """Holds outputs against the expected ones, in order, until one of them settles the outcome.

    Rules with tolerances may let an output pass that is not equal, and look at expected outputs
    before it to know: nothing behind a hash is called wrong.
    """

    def __init__(self, problem: Problem, part: Part, name: str) -> None:
        self._problem = problem
        self._part = part
        self._name = name
        self._comparison = comparison_for(problem)
        self._next = 0
        self._hashed = False
        self._wrong = ""
        self._cannot_tell = False

    def __call__(self, outputs: Sequence[AnyOutput]) -> bool:
        """Compare the new outputs; return whether a second run is needed to decide.

        A wrong output does not end the program: its end would show the next sample which answer was
        wrong, by any note that one program can leave for another.
        """
        while self._next < len(outputs) and not self._settled:
            output = outputs[self._next]
            if isinstance(output, ErrorMarker):
                return False
            if isinstance(output, Output) and len(output.text) > _AT_ONCE_BYTES:
                return False
            self._look_at(output)
        return self._cannot_tell

    def checked(self, result: JobResult) -> Checked | None:
        """Return the outcome of all outputs; None if hashes cannot decide it."""
        for output in result.outputs[self._next :]:
            if isinstance(output, ErrorMarker) or self._settled:
                break
            self._look_at(output)
        if self._cannot_tell:
            return None
        if self._wrong:
            return Checked(Outcome.WRONG, self._wrong, result.seconds)
        wanted = len(self._part.expected)
        if result.outcome is Outcome.PASSED and len(result.outputs) != wanted:
            raise CheckingError(
                f"{self._problem.id}: {len(result.outputs)} outputs of {wanted} calls came back "
                "as all: this is a fault of the sandbox, and nothing may be scored"
            )
        detail = f"{self._name}: {result.detail}" if result.detail else ""
        return Checked(result.outcome, detail, result.seconds, result.needs_rerun)

    @property
    def _settled(self) -> bool:
        return bool(self._wrong) or self._cannot_tell

    def _look_at(self, output: Output | HashedOutput) -> None:
        index, self._next = self._next, self._next + 1
        expected = self._part.expected[index]
        if isinstance(output, HashedOutput) or isinstance(expected, HashedOutput):
            self._hashed = True
            self._cannot_tell = output != expected
        elif not self._comparison.matches(self._part.arguments[index], output, expected):
            self._cannot_tell = self._hashed
            if not self._hashed:
                shown = f"got {_show(output)}, expected {_show(expected)}"
                self._wrong = f"{self._name} input {index}: {shown}"


def _show(output: Output) -> str:
    text = output.text[: _SHOWN_CHARACTERS + 1].decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
