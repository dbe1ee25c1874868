"""Expected outputs and time limits, from running the canonical solutions in the sandbox."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.evaluator.comparison import comparison_for
from benchmarks.evaluator.gold_cache import GoldMemory
from benchmarks.sandbox import EncodedInputs, HashedOutput, Job, JobResult, Output, SandboxConfig
from benchmarks.sandbox.host import SandboxError, Worker
from domino.records import Outcome, Problem, Verdict

_CANONICAL_OUTPUT_BYTES = 1 << 30
_PARSING = threading.Lock()
"""Two threads that parse at once can raise SystemError in CPython 3.11 (cpython issue 106905)."""

_CANONICAL_TIMEOUT_S = 600.0
_HASH_ABOVE_BYTES = 1 << 16
"""Outputs above it are compared by their hashes first: some have more than 100 MB in all."""


class Whole:
    """A part with every output whole, found out when it is first asked for."""

    def __init__(self, find: Callable[[Worker], Part]) -> None:
        self._find = find
        self._found: Part | None = None
        self._finding = threading.Lock()

    def part(self, worker: Worker) -> Part:
        """Return it; the canonical solution runs in `worker` where nothing remembers it.

        Raises:
            SandboxError: the sandbox broke, or the solution failed that did not before.
        """
        with self._finding:
            if self._found is None:
                self._found = self._find(worker)
            return self._found

    def patient(self) -> Whole:
        """Return the same for `Part.patient`."""
        return Whole(lambda worker: self.part(worker).patient())


@dataclass(frozen=True, slots=True)
class Part:
    """Base or plus inputs of a problem with what the canonical solution made of them.

    The limits come from its processor time, which does not grow with the load of the machine;
    `wall_limits_s` from its time on the wall, for solutions that wait. `seconds` is its processor
    time over all inputs. `whole` is there where an expected output is hashed.
    """

    arguments: Sequence[Any]
    inputs: EncodedInputs
    expected: tuple[Output | HashedOutput, ...]
    limits_s: tuple[float, ...]
    wall_limits_s: tuple[float, ...]
    timeout_s: float
    output_bytes: int
    seconds: float = 0.0
    whole: Whole | None = None

    @property
    def hash_above(self) -> int | None:
        """What a program's job is given."""
        return None if self.whole is None else _HASH_ABOVE_BYTES

    def patient(self) -> Part:
        """Return the same with the time of a canonical solution for every call."""
        limits_s = (_CANONICAL_TIMEOUT_S,) * len(self.limits_s)
        return replace(
            self,
            limits_s=limits_s,
            wall_limits_s=limits_s,
            timeout_s=_CANONICAL_TIMEOUT_S,
            whole=self.whole and self.whole.patient(),
        )


@dataclass(frozen=True, slots=True)
class Gold:
    """A problem with what its canonical solution shows.

    Attributes:
        problem: the problem.
        base: what it made of the base inputs.
        plus: the same for the plus inputs; None until a program needs it.
        is_patient: whether it has, and `with_plus` gives, the limits of `patient`.
    """

    problem: Problem
    base: Part
    plus: Part | None = None
    is_patient: bool = False

    @property
    def plus_known(self) -> bool:
        """Whether `plus` is there."""
        return self.plus is not None

    def patient(self) -> Gold:
        """Return the same with the time of a canonical solution for every call."""
        plus = self.plus and self.plus.patient()
        return Gold(self.problem, self.base.patient(), plus, is_patient=True)


KnownGolds = MutableMapping[str, Gold | Verdict]
"""What canonical solutions showed, by problem id; a verdict where one did not run through."""


def gold_of(worker: Worker, problem: Problem, config: SandboxConfig) -> Gold | Verdict:
    """Return what the canonical solution gives on the base inputs, or its verdict if it fails."""
    base = _part_of(worker, problem, problem.base_inputs, config)
    return base if isinstance(base, Verdict) else Gold(problem, base)


def with_plus(worker: Worker, gold: Gold, config: SandboxConfig) -> Gold | Verdict:
    """Return the same with the plus inputs, or the canonical solution's verdict if it fails."""
    plus = _part_of(worker, gold.problem, gold.problem.plus_inputs, config)
    if isinstance(plus, Verdict):
        return plus
    found = replace(gold, plus=plus)
    return found.patient() if gold.is_patient else found


def _part_of(
    worker: Worker, problem: Problem, inputs: Sequence[Any], config: SandboxConfig
) -> Part | Verdict:
    arguments = list(inputs)
    job = Job(
        id=problem.id,
        code=canonical_code(problem),
        entry_point=problem.entry_point,
        inputs=EncodedInputs.of(arguments),
        timeout_s=max(config.timeout_s, _CANONICAL_TIMEOUT_S),
        output_bytes=_CANONICAL_OUTPUT_BYTES,
        hash_above=_HASH_ABOVE_BYTES if comparison_for(problem).equal_is_right else None,
    )
    result = _run(worker, job, config)
    if result.outcome is Outcome.PASSED:
        return _part(arguments, job, result, config)
    return Verdict(
        program_id=f"canonical/{problem.id}",
        problem_id=problem.id,
        base=result.outcome,
        plus=result.outcome,
        detail=result.detail,
        seconds=result.seconds,
    )


def _run(worker: Worker, job: Job, config: SandboxConfig) -> JobResult:
    """Return what the canonical solution gives, as remembered where that is known."""
    if config.golds is None or not worker.sandboxed:
        return worker.run(job)
    memory = GoldMemory(config.golds, config)
    result = memory.recall(job)
    if result is None:
        result = worker.run(job)
        memory.keep(job, result)
    return result


def _part(arguments: Sequence[Any], job: Job, result: JobResult, config: SandboxConfig) -> Part:
    expected = tuple(o for o in result.outputs if isinstance(o, Output | HashedOutput))
    size = sum(len(output.text) for output in expected if isinstance(output, Output))
    hashed = any(isinstance(output, HashedOutput) for output in expected)
    return Part(
        arguments,
        job.encoded_inputs(),
        expected,
        config.input_limits_s(result.input_seconds),
        config.input_limits_s(result.input_wall_seconds),
        max(config.timeout_s, config.timeout_factor * sum(result.input_seconds)),
        max(config.output_mib << 20, 2 * size),
        sum(result.input_seconds),
        Whole(lambda worker: _whole_part(worker, arguments, job, config)) if hashed else None,
    )


def _whole_part(worker: Worker, arguments: Sequence[Any], job: Job, config: SandboxConfig) -> Part:
    job = replace(job, hash_above=None)
    result = _run(worker, job, config)
    if result.outcome is not Outcome.PASSED:
        raise SandboxError(
            f"the canonical solution of {job.id} ran through, and not when its outputs were to "
            f"come whole ({result.outcome}: {result.detail}): raise sandbox.memory_mib where that "
            "ran out, run again where the machine was busy, or leave the problem out"
        )
    return _part(arguments, job, result, config)


def canonical_code(problem: Problem) -> str:
    """Return the canonical solution as a whole program, behind the prompt where it continues it."""
    solution = problem.canonical_solution
    return solution if defines(solution, problem.entry_point) else problem.prompt + solution


def defines(code: str, name: str) -> bool:
    """Whether source text parses and defines or assigns `name` at its top level."""
    try:
        with _PARSING:
            statements = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name == name:
                return True
        elif isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in statement.targets
        ):
            return True
    return False
