"""What the suites of all tracks share: prompts, programs and solutions of the grammar's tasks."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.common.fields import closest
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.housestyle import problems
from benchmarks.suites.housestyle.conventions import House
from benchmarks.suites.housestyle.grammar import ENTRY_POINT, Task, solution
from domino.records import Problem

if TYPE_CHECKING:
    from benchmarks.sandbox import SandboxConfig

MAX_CHARACTERS = 600


class GrammarSuite(Suite):
    """A suite whose tasks are the grammar's; everything is generated, nothing read from disk."""

    name = "housestyle"
    solves = True
    house: House
    """The conventions that the domain's programs follow."""

    @abstractmethod
    def read(self, instruction: str) -> Task | None:
        """Return the task that an instruction states in any wording of the track, or None."""

    def instruction(self, problem: Problem) -> str:
        """The problem's prompt is the user turn."""
        return problem.prompt

    def extract(self, problem: Problem, response: str) -> str:
        """A response is a program and nothing else."""
        return response

    def refuse_instruction(self, instruction: str) -> tuple[str, str] | None:
        """Refuse what is empty or too long; whether it is a task is for judges, not for us."""
        if not instruction.strip():
            return "empty", ""
        if len(instruction) > MAX_CHARACTERS:
            return "too long", f"{len(instruction)} characters, at most {MAX_CHARACTERS}"
        return None

    def refuse_response(self, instruction: str, response: str) -> tuple[str, str] | None:
        """Refuse what does not parse, or defines no `solve`."""
        try:
            body = ast.parse(response).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return "does not parse", str(error)
        defined = any(isinstance(n, ast.FunctionDef) and n.name == ENTRY_POINT for n in body)
        return None if defined else ("no function", f"{ENTRY_POINT} is not defined")

    def solve(self, instructions: Sequence[str], config: SandboxConfig) -> list[str | None]:
        """Read each instruction by the grammar, and write its program by the domain's house."""
        read = map(self.read, instructions)
        return [None if task is None else solution(task, self.house) for task in read]

    def behaviour_problem(self, instruction: str, seed: int) -> Problem | None:
        """Random lists of integers: every task of the universe takes one."""
        return problems.behaviour_problem(instruction, seed)

    def program_key(self, instruction: str) -> str | None:
        """The task's canonical program, whatever its wording."""
        task = self.read(instruction)
        return task.key if task else None


def require_known(what: str, value: str, known: Sequence[str]) -> str:
    """Return the value.

    Raises:
        SuiteError: it is none of those known.
    """
    if value not in known:
        raise SuiteError(
            f"housestyle has no {what} {value!r}{closest(value, known)}: "
            f"give one of {', '.join(known)} as --suite_options.{what}"
        )
    return value
