"""Expected outputs and time limits, from running the canonical solutions in the sandbox."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.sandbox import EncodedInputs, Job, JobResult, Output, SandboxConfig, WorkerPool
from benchmarks.sandbox.host import Worker
from domino.records import Outcome, Problem, Verdict

_CANONICAL_OUTPUT_BYTES = 1 << 30
_CANONICAL_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Part:
    """Base or plus inputs of a problem with what the canonical solution made of them."""

    arguments: Sequence[Any]
    inputs: EncodedInputs
    expected: tuple[Output, ...]
    limits_s: tuple[float, ...]
    timeout_s: float
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Gold:
    """A problem with what its canonical solution shows."""

    problem: Problem
    base: Part
    plus: Part


def golds_of(
    problems: Sequence[Problem],
    config: SandboxConfig,
    on_done: Callable[[Gold | Verdict], None] | None = None,
) -> dict[str, Gold | Verdict]:
    """Run every canonical solution; by problem id, a verdict where one does not run through.

    `on_done` gets each result as it comes.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    results = WorkerPool(config).map(
        lambda worker, item: gold_of(worker, item, config), problems, on_done
    )
    return {problem.id: gold for problem, gold in zip(problems, results, strict=True)}


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
        result = worker.run(job)
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
        max(config.timeout_s, config.timeout_factor * sum(result.input_seconds)),
        max(config.output_mib << 20, 2 * size),
    )


def canonical_code(problem: Problem) -> str:
    """Return the canonical solution as a whole program, behind the prompt where it continues it."""
    solution = problem.canonical_solution
    return solution if defines(solution, problem.entry_point) else problem.prompt + solution


def defines(code: str, name: str) -> bool:
    """Whether source text parses and defines or assigns `name` at its top level."""
    try:
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
