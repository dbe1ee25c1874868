"""Expected outputs and time limits, from running the canonical solutions in the sandbox."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.gold_memory import GoldMemory
from benchmarks.sandbox import EncodedInputs, Job, JobResult, Output, SandboxConfig, WorkerPool
from benchmarks.sandbox.host import Worker
from domino.records import Outcome, Problem, Verdict

_CANONICAL_OUTPUT_BYTES = 1 << 30
_PARSING = threading.Lock()
"""Two threads that parse at once can raise SystemError in CPython 3.11 (cpython issue 106905)."""

_CANONICAL_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Part:
    """Base or plus inputs of a problem with what the canonical solution made of them.

    The limits come from its processor time, which does not grow with the load of the machine;
    `wall_limits_s` from its time on the wall, for solutions that wait. `seconds` is its processor
    time over all inputs.
    """

    arguments: Sequence[Any]
    inputs: EncodedInputs
    expected: tuple[Output, ...]
    limits_s: tuple[float, ...]
    wall_limits_s: tuple[float, ...]
    timeout_s: float
    output_bytes: int
    seconds: float = 0.0

    def patient(self) -> Part:
        """Return the same with the time of a canonical solution for every call."""
        limits_s = (_CANONICAL_TIMEOUT_S,) * len(self.limits_s)
        return replace(
            self, limits_s=limits_s, wall_limits_s=limits_s, timeout_s=_CANONICAL_TIMEOUT_S
        )


@dataclass(frozen=True, slots=True)
class Gold:
    """A problem with what its canonical solution shows."""

    problem: Problem
    base: Part
    plus: Part

    @property
    def seconds(self) -> float:
        """Processor seconds of the canonical solution."""
        return self.base.seconds + self.plus.seconds

    def patient(self) -> Gold:
        """Return the same with the time of a canonical solution for every call."""
        return Gold(self.problem, self.base.patient(), self.plus.patient())


KnownGolds = MutableMapping[str, Gold | Verdict]
"""What canonical solutions showed, by problem id; a verdict where one did not run through."""


def golds_of(
    problems: Sequence[Problem],
    config: SandboxConfig,
    on_done: Callable[[Gold | Verdict], None] = lambda gold: None,
    known: KnownGolds | None = None,
) -> dict[str, Gold | Verdict]:
    """Run every canonical solution; by problem id, a verdict where one does not run through.

    Args:
        problems: whose solutions are run.
        config: limits of the sandbox.
        on_done: gets each result, also those that are known, as it comes.
        known: results of these problems under these limits; they are not found out again, and new
            ones are added.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    known = {} if known is None else known
    new = [problem for problem in problems if problem.id not in known]
    for problem in problems:
        if problem.id in known:
            on_done(known[problem.id])
    results = WorkerPool(config).map(
        lambda worker, item: gold_of(worker, item, config), new, on_done
    )
    known.update((problem.id, gold) for problem, gold in zip(new, results, strict=True))
    return {problem.id: known[problem.id] for problem in problems}


def gold_of(worker: Worker, problem: Problem, config: SandboxConfig) -> Gold | Verdict:
    """Return what the canonical solution gives, or its verdict where it does not run through."""
    parts = []
    for arguments in (list(problem.base_inputs), list(problem.plus_inputs)):
        inputs = EncodedInputs.of(arguments)
        job = Job(
            id=problem.id,
            code=canonical_code(problem),
            entry_point=problem.entry_point,
            inputs=inputs,
            timeout_s=max(config.timeout_s, _CANONICAL_TIMEOUT_S),
            output_bytes=_CANONICAL_OUTPUT_BYTES,
        )
        result = _run(worker, job, config)
        if result.outcome is not Outcome.PASSED:
            return Verdict(
                program_id=f"canonical/{problem.id}",
                problem_id=problem.id,
                base=result.outcome,
                plus=result.outcome,
                detail=result.detail,
                seconds=result.seconds,
            )
        parts.append(_part(arguments, inputs, result, config))
    return Gold(problem, *parts)


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


def _part(
    arguments: Sequence[Any], inputs: EncodedInputs, result: JobResult, config: SandboxConfig
) -> Part:
    expected = tuple(output for output in result.outputs if isinstance(output, Output))
    size = sum(len(output.text) for output in expected)
    return Part(
        arguments,
        inputs,
        expected,
        config.input_limits_s(result.input_seconds),
        config.input_limits_s(result.input_wall_seconds),
        max(config.timeout_s, config.timeout_factor * sum(result.input_seconds)),
        max(config.output_mib << 20, 2 * size),
        sum(result.input_seconds),
    )


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
