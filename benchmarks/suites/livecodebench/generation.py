"""LiveCodeBench code generation: contest problems, on standard input or as a method."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from benchmarks.evaluator.stated import StatedProblem
from benchmarks.suites.base import Split, SuiteError
from benchmarks.suites.extraction.rules import Extraction
from benchmarks.suites.file_suite import FileSuite
from benchmarks.suites.livecodebench.dates import parse_cutoff
from benchmarks.suites.livecodebench.rows import Case, Column, Row, Value, read_rows
from benchmarks.suites.official.livecodebench_protocol import STARTER, question_of
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.reading import parse_json
from benchmarks.suites.splits import Parts, split_by_dates_or_seed
from domino.records import Problem, Reference

if TYPE_CHECKING:
    from benchmarks.suites.registry import SuiteOptions

CALL_TIMEOUT_S = 6.0
"""Seconds for one test, as LiveCodeBench and the paper have it."""

_ROLE = (
    "You are a strong competitive programmer who answers in Python. Write one program that does "
    "what the problem asks and holds on every test. Answer with the program alone."
)
_SCRIPT = (
    "The program reads its input from standard input and prints its answer to standard output. "
    "Do not call it on the examples. Put all of it between these fences:"
)
_METHOD = "Complete this class, and put all of it between fences like these:"
_PLAIN = re.compile(
    rf"{re.escape(_ROLE)}\n\n### Problem\n(.*)\n\n### Form\n(.*)\n```python\n(.*)\n```\n\n"
    "### Answer",
    re.DOTALL,
)
_METHOD_NAME = re.compile(r"^[ \t]+def\s+(\w+)\s*\(\s*self\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Questions:
    """The problems that can be judged, with their dates; and how many have no test at all.

    `hidden` says whether any has hidden tests.
    """

    problems: tuple[StatedProblem, ...]
    hidden: bool
    dates: dict[str, date]
    without_tests: int
    digest: str


def read_questions(options: SuiteOptions) -> Questions:
    """Read the data set and make its rows problems.

    Raises:
        SuiteError: it cannot be read, or a row makes no problem.
    """
    file = read_rows(options.dataset)
    made = [(row, _problem(row)) for row in file.rows if row.public or row.hidden()]
    return Questions(
        problems=tuple(problem for _, problem in made),
        hidden=any(row.has_hidden for row, _ in made),
        dates={row.question_id: row.date for row, _ in made if row.date is not None},
        without_tests=len(file.rows) - len(made),
        digest=file.digest,
    )


def _problem(row: Row) -> StatedProblem:
    kind = "functional" if row.starter_code.strip() else "stdin"
    argument, value = _READERS[kind]
    name = _method_name(row) if kind == "functional" else "standard_output"
    return StatedProblem(
        id=row.question_id,
        prompt=row.content,
        entry_point=name,
        canonical_solution="",
        base_inputs=[argument(row.where, case) for case in row.public],
        base_outputs=[value(row.where, case) for case in row.public],
        plus_inputs=Column(row, argument),
        plus_outputs=Column(row, value),
        call_timeout_s=CALL_TIMEOUT_S,
        meta={
            "comparison": "json" if kind == "functional" else "printed",
            "runner": "method" if kind == "functional" else "script",
            "starter_code": row.starter_code,
        },
    )


def _method_name(row: Row) -> str:
    named = row.metadata.get("func_name")
    if isinstance(named, str):
        return named
    found = _METHOD_NAME.findall(row.starter_code)
    if not found:
        raise SuiteError(
            f"{row.where}: starter code without a method, and no func_name in the metadata: give "
            "the published file"
        )
    return str(found[0])


def _text(where: str, case: Case) -> list[Any]:
    return [case.input]


def _printed(where: str, case: Case) -> Any:
    return case.output


def _arguments(where: str, case: Case) -> list[Any]:
    return [parse_json(f"{where}, a test's input", line) for line in case.input.split("\n")]


def _returned(where: str, case: Case) -> Any:
    return parse_json(f"{where}, a test's output", case.output)


_READERS: dict[str, tuple[Value, Value]] = {
    "stdin": (_text, _printed),
    "functional": (_arguments, _returned),
}


class LiveCodeBenchSuite(FileSuite):
    """LiveCodeBench code generation. Public tests are the base inputs, hidden tests the plus.

    Earlier problems are the references and later ones the test, by contest date; the public form
    has no dates, and is split by seed. There are no solutions, so references have no responses.
    """

    name = "livecodebench"
    sample_format = "questions"
    tools = ("livecodebench.utils.extraction_utils",)
    packages = ("nvidia-livecodebench",)
    options = FileSuite.options | {"cutoff", "split_seed"}

    @functools.cached_property
    def file(self) -> Questions:
        """The problems and the digest of their files."""
        return read_questions(self._options)

    @functools.cached_property
    def _parts(self) -> Parts[StatedProblem]:
        questions, options = self.file, self._options
        cutoff = parse_cutoff(options.cutoff)
        return split_by_dates_or_seed(
            questions.problems, options.split_seed, cutoff, key=_id, dates=questions.dates
        )

    @property
    def test_names(self) -> tuple[str, ...]:
        """Public tests, and hidden ones where the file has them."""
        return ("public", "public + hidden") if self.file.hidden else ("public",)

    @property
    def variant(self) -> str:
        """Return how references and test problems were separated, and what is left out."""
        left = self.file.without_tests
        return self._parts.how + (f"; {left} without tests left out" if left else "")

    def references(self) -> tuple[Reference, ...]:
        """Return the earlier problems, or the user's own file.

        Raises:
            SuiteError: the track asks for responses, which these do not have.
        """
        if self._options.references_path is not None:
            return self._file_references(self._options.references_path)
        if self._template == "pair":
            raise SuiteError(
                "livecodebench has no solutions for track 'pair': leave the track out, or name a "
                "reference file with references_path"
            )
        return tuple(
            Reference(id=problem.id, instruction=self.instruction(problem).strip())
            for problem in self._parts.references
        )

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return the later problems for the test, and part of the earlier for development."""
        return self._parts.test if split == "test" else self._parts.development

    def official(self, *, chat: bool) -> Protocol:
        """Return how LiveCodeBench asks.

        Raises:
            SuiteError: the package is missing.
        """
        from benchmarks.suites.official.livecodebench_protocol import generation_protocol

        return generation_protocol(chat=chat)

    def instruction(self, problem: Problem) -> str:
        """Return the question, and behind it the starter code where there is one."""
        starter = problem.meta["starter_code"]
        return problem.prompt + (f"{STARTER}{starter}\n```" if starter.strip() else "")

    def content(self, instruction: str) -> str:
        """Return question and starter code without role and form of the answer."""
        found = _PLAIN.fullmatch(instruction.strip())
        if not found:
            return instruction.strip()
        question, form, code = found.groups()
        return question + (f"{STARTER}{code}\n```" if form == _METHOD else "")

    def plainly(self, content: str) -> str:
        """Return role, problem and form of the answer, in LiveCodeBench's order."""
        question, starter = question_of(content)
        form = _METHOD if starter.strip() else _SCRIPT
        code = starter.rstrip() or "# the whole program"
        return (
            f"{_ROLE}\n\n### Problem\n{question.strip()}\n\n"
            f"### Form\n{form}\n```python\n{code}\n```\n\n### Answer\n"
        )

    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """Take the text between LiveCodeBench's last two fences, or the last program."""
        if self._extraction == "official":
            return Extraction("livecodebench base" if direct else "livecodebench", response)
        return Extraction("lenient program", response)

    def refusal(self, instruction: str, code: str) -> Extraction:
        """Refuse what is not a program."""
        return Extraction("refuse program", code)


def _id(problem: Problem) -> str:
    return problem.id


def load(options: SuiteOptions) -> LiveCodeBenchSuite:
    """Return LiveCodeBench code generation with these options."""
    return LiveCodeBenchSuite(options)
