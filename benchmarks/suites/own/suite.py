"""A user's own domain: a file of problems of one kind, and references of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.evaluator.scorers import target_of
from benchmarks.suites.base import Split, SuiteError
from benchmarks.suites.code_text import asked_function
from benchmarks.suites.examples import FIELDS as REFERENCE_FIELDS
from benchmarks.suites.extraction.rules import Extraction
from benchmarks.suites.file_suite import FileSuite
from benchmarks.suites.own.file import OwnFile, OwnProblem, read_own
from benchmarks.suites.own.kinds import EVALPLUS, FUNCTION, KINDS, SQL, TARGET, Kind
from benchmarks.suites.protocol import PLAIN, Protocol
from benchmarks.suites.splits import Parts, split_by_seed
from domino.records import Problem, Reference

if TYPE_CHECKING:
    from benchmarks.suites.registry import SuiteOptions

PROBLEM_FIELDS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.fields))
FIELDS = tuple(dict.fromkeys([*REFERENCE_FIELDS, *PROBLEM_FIELDS]))
"""What the option `fields` may name, of problems and of references."""


class OwnSuite(FileSuite):
    """Problems of a file, asked as they are written.

    References are those of the user's file; else those that rows bring along; else the rows whose
    split is references; else a share of the rows, dealt out by a seed.
    """

    name = "own"
    options = frozenset({"track", "dataset", "references_path", "split_seed", "fields"})
    field_names = FIELDS

    def __init__(self, options: SuiteOptions) -> None:
        """Remember where the data is.

        Raises:
            SuiteError: no file is named, or an option that the suite does not have.
        """
        super().__init__(options)
        if options.dataset is None:
            raise SuiteError("own has no problems: name their file with --suite_options.dataset")
        self._path = options.dataset
        self._protocol, self._extraction = "plain", "lenient"

    @functools.cached_property
    def file(self) -> OwnFile:
        """The problems and the digest of their file."""
        mine = {name: self._fields[name] for name in PROBLEM_FIELDS if name in self._fields}
        return read_own(self._path, mine)

    @property
    def kind(self) -> Kind:
        """The kind of all its problems."""
        return self.file.rows[0].kind

    @functools.cached_property
    def _parts(self) -> Parts[OwnProblem]:
        rows = self.file.rows
        if rows[0].part is not None:
            return Parts(
                references=tuple(row for row in rows if row.part == "references"),
                development=tuple(row for row in rows if row.part == "development"),
                test=tuple(row for row in rows if row.part == "test"),
                how="split as the file has it",
            )
        if self._options.references_path is not None or any(row.references for row in rows):
            return Parts(references=(), development=(), test=rows, how="all rows are the test")
        return split_by_seed(
            rows,
            self._options.split_seed,
            key=lambda row: row.problem.id,
            stratum=lambda row: row.group,
        )

    @property
    def variant(self) -> str:
        """Say of which kind the problems are, and how they are split."""
        return f"{self.kind.name}; {self._parts.how}"

    @property
    def test_names(self) -> tuple[str, ...]:
        """One set of tests, but for EvalPlus's fields."""
        if self.kind is EVALPLUS and any(p.plus_inputs for p in self.file.problems):
            return ("base", "base + plus")
        return ("tests",)

    def labels(self, problem: Problem) -> tuple[str, ...]:
        """Return the problem's group."""
        group = self._groups[problem.id]
        return (group,) if group else ()

    @functools.cached_property
    def _groups(self) -> dict[str, str]:
        return {row.problem.id: row.group for row in self.file.rows}

    def references(self) -> tuple[Reference, ...]:
        """Return the domain's references, with responses where the track is "pair"."""
        if self._options.references_path is not None:
            return self._file_references(self._options.references_path)
        brought = [reference for row in self.file.rows for reference in row.references]
        solved = [_reference(row) for row in self._parts.references]
        paired = self._template == "pair"
        return tuple(
            reference if paired else Reference(id=reference.id, instruction=reference.instruction)
            for reference in [*brought, *solved]
        )

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return the problems of a split."""
        rows = self._parts.test if split == "test" else self._parts.development
        return tuple(row.problem for row in rows)

    def instruction(self, problem: Problem) -> str:
        """Return the prompt as the file has it."""
        return problem.prompt

    def official(self, *, chat: bool) -> Protocol:
        """Return the plain protocol: a user's domain has no other."""
        return PLAIN

    def protocol(self, *, chat: bool) -> Protocol:
        """Return the plain protocol: the prompt, and nothing around it."""
        return PLAIN

    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """Take the function, the program, the query or the answer out of a response."""
        if self.kind is TARGET:
            return Extraction("lenient answer", response)
        if self.kind is SQL:
            return Extraction("lenient query", response)
        if entry_point and (self.kind in (FUNCTION, EVALPLUS) or self._tests_one_function):
            return Extraction("lenient function", response, entry_point, prompt)
        return Extraction("lenient program", response)

    @functools.cached_property
    def _tests_one_function(self) -> bool:
        return all(problem.meta.get("apart") for problem in self.file.problems)

    def asked_function(self, instruction: str) -> str:
        """Return the function that an instruction begins or calls, "" where it names none."""
        return "" if self.kind in (SQL, TARGET) else asked_function(instruction)

    def refusal(self, instruction: str, code: str) -> Extraction:
        """Refuse what the evaluator could not score: no program, no query, no answer."""
        if self.kind is TARGET:
            return Extraction("refuse answer", code, self._scorer)
        if self.kind is SQL:
            return Extraction("refuse query", code)
        if self.kind in (FUNCTION, EVALPLUS):
            return Extraction("refuse function", code, self.asked_function(instruction))
        return Extraction("refuse program", code)

    @functools.cached_property
    def _scorer(self) -> str:
        """The scorer of all problems, "" where they have several."""
        found = {target.scorer for p in self.file.problems if (target := target_of(p))}
        return found.pop() if len(found) == 1 else ""


def _reference(row: OwnProblem) -> Reference:
    """Return a row as an example of the domain, with its solution as a response would give it."""
    problem = row.problem
    target = target_of(problem)
    solution = problem.canonical_solution.strip()
    if target is not None:
        response = solution or ("" if target.scorer == "regex" else target.answers[0])
    else:
        language = "sql" if row.kind is SQL else "python"
        response = f"```{language}\n{solution}\n```" if solution else ""
    return Reference(id=problem.id, instruction=problem.prompt.strip(), response=response or None)


def load(options: SuiteOptions) -> OwnSuite:
    """Return a user's own suite with these options."""
    return OwnSuite(options)
