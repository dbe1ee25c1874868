"""HumanEval+ and MBPP+ as suites, from EvalPlus's data files."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING

from benchmarks.suites import mbpp
from benchmarks.suites.base import Split, SuiteError
from benchmarks.suites.code_text import asked_function
from benchmarks.suites.evalplus_data import Dataset, ProblemFile, load_problems
from benchmarks.suites.extraction.rules import Extraction
from benchmarks.suites.file_suite import FileSuite
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.splits import folds
from domino.records import Problem, Reference

if TYPE_CHECKING:
    from benchmarks.suites.registry import SuiteOptions


_QUOTES = '"""'
_COMPLETE = "Complete this Python function. Give all of it.\n\n"


class EvalPlusSuite(FileSuite):
    """What both have in common: problems of a file, programs out of responses."""

    dataset: Dataset
    packages = ("evalplus",)

    def official(self, *, chat: bool) -> Protocol:
        """Return how EvalPlus's codegen asks."""
        from benchmarks.suites.official.evalplus_protocol import evalplus_protocol

        return evalplus_protocol(self.dataset, chat=chat)

    @functools.cached_property
    def file(self) -> ProblemFile:
        """The problems and the digest of their file."""
        return load_problems(self.dataset, self._options.dataset)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return all problems of the file for the test, and what there is for development."""
        return self.file.problems if split == "test" else self._development

    @property
    @abstractmethod
    def _development(self) -> tuple[Problem, ...]:
        """The development problems, () where the benchmark has none."""

    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """Take what EvalPlus's sanitizer keeps, or the function with all that it needs."""
        if self._extraction == "official":
            return Extraction("evalplus", response, entry_point)
        return Extraction("lenient function", response, entry_point, prompt)

    def asked_function(self, instruction: str) -> str:
        """Return the function that is begun, or called in a test."""
        return asked_function(instruction)

    def refusal(self, instruction: str, code: str) -> Extraction:
        """Refuse what does not define the function that is asked for."""
        return Extraction("refuse function", code, self.asked_function(instruction))


class HumanEvalSuite(EvalPlusSuite):
    """HumanEval+. It has no train split: references come from a user's file, or from k folds.

    With folds the test is the problems of one fold and the references those of all others, so that
    no problem is tested that a reference shows; runs on all folds together test every problem once.
    There are no development problems, since all 164 are test problems in some fold.
    """

    name = "humaneval+"
    dataset = "humaneval"
    options = EvalPlusSuite.options | {"folds", "fold", "split_seed"}

    def __init__(self, options: SuiteOptions) -> None:
        """Remember where the data is.

        Raises:
            SuiteError: inconsistent folds, or folds together with a reference file.
        """
        super().__init__(options)
        count, fold = options.folds, options.fold
        if count is None and fold != 0:
            raise SuiteError(f"fold is {fold} without folds: give both")
        if count is not None and not (count >= 2 and 0 <= fold < count):
            raise SuiteError(
                f"fold is {fold} of {count} folds: give at least 2 folds and a fold from 0"
            )
        if count is not None and options.references_path is not None:
            raise SuiteError("humaneval+ takes references_path or folds: give one of them")

    @property
    def variant(self) -> str:
        """Say which fold is the test."""
        count = self._options.folds
        return "" if count is None else f"test on fold {self._options.fold} of {count}"

    @functools.cached_property
    def _fold_of(self) -> dict[str, int] | None:
        """The fold of each problem, None where there are no folds."""
        count = self._options.folds
        keys = [problem.id for problem in self.file.problems]
        if count is None:
            return None
        if count > len(keys):
            raise SuiteError(f"folds is {count} for {len(keys)} problems: give fewer")
        return folds(keys, count, self._options.split_seed)

    def references(self) -> tuple[Reference, ...]:
        """Return the references of the user's file, or the problems of the other folds.

        Raises:
            SuiteError: neither is named, or the file cannot be used.
        """
        if self._options.references_path is not None:
            return self._file_references(self._options.references_path)
        if self._fold_of is None:
            raise SuiteError(
                "humaneval+ has no references of its own: give folds (its other problems), or "
                'name a JSONL file of {"instruction": ..., "response": ...} lines with '
                "references_path"
            )
        return self._solved(
            problem
            for problem in self.file.problems
            if self._fold_of[problem.id] != self._options.fold
        )

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return the problems of the fold, all where there are no folds."""
        found = super().problems(split)
        fold_of = self._fold_of
        if fold_of is None:
            return found
        return tuple(problem for problem in found if fold_of[problem.id] == self._options.fold)

    @property
    def _development(self) -> tuple[Problem, ...]:
        return ()

    def instruction(self, problem: Problem) -> str:
        """Return the beginning of the function: its signature and docstring."""
        return problem.prompt.strip()

    def content(self, instruction: str) -> str:
        """Return a function's beginning without the request to complete it."""
        return instruction.strip().removeprefix(_COMPLETE.strip()).strip()

    def plainly(self, content: str) -> str:
        """Return the request to complete the function."""
        return f"{_COMPLETE}{content}\n"


class MbppSuite(EvalPlusSuite):
    """MBPP+. References are MBPP's train split, development problems its validation split.

    MBPP+ has tasks of all of MBPP's splits; those are test problems and nothing else.
    """

    name = "mbpp+"
    dataset = "mbpp"

    @functools.cached_property
    def _rows(self) -> tuple[mbpp.MbppRow, ...]:
        return mbpp.read_rows(self._options.references_path)

    @functools.cached_property
    def _test_ids(self) -> frozenset[str]:
        return frozenset(problem.id for problem in self.file.problems)

    def references(self) -> tuple[Reference, ...]:
        """Return the training split's tasks that are not test problems, or the user's own file.

        Raises:
            SuiteError: the file is neither MBPP's own nor a reference file.
        """
        path = self._options.references_path
        if path is not None and not mbpp.is_own_file(path):
            return self._file_references(path)
        return mbpp.references(self._rows, self._test_ids, responses=self._template == "pair")

    @property
    def _development(self) -> tuple[Problem, ...]:
        path = self._options.references_path
        if path is not None and not mbpp.is_own_file(path):
            return ()
        return mbpp.development(self._rows, self._test_ids)

    def instruction(self, problem: Problem) -> str:
        """Return the problem's text and test, without the quotes that make them a docstring."""
        return self.content(problem.prompt)

    def content(self, instruction: str) -> str:
        """Return text and test without the quotes of a docstring, as EvalPlus prompts have them."""
        text = instruction.strip()
        quoted = len(text) > 5 and text.startswith(_QUOTES) and text.endswith(_QUOTES)
        return text[3:-3].strip() if quoted else text


def load_humaneval(options: SuiteOptions) -> HumanEvalSuite:
    """Return HumanEval+ with these options."""
    return HumanEvalSuite(options)


def load_mbpp(options: SuiteOptions) -> MbppSuite:
    """Return MBPP+ with these options."""
    return MbppSuite(options)
