"""Code execution: what a given call of a given function returns, in LiveCodeBench and CRUXEval.

The answer is a literal, or an expression of the same value. The function itself is the canonical
solution: it runs in the sandbox, and the stated output must be what comes out before anything is
scored.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.evaluator.check import behaviours, returned_texts
from benchmarks.suites.base import Split
from benchmarks.suites.extraction.rules import Extraction
from benchmarks.suites.file_suite import FileSuite
from benchmarks.suites.livecodebench.answers import (
    REQUEST,
    question,
    read_question,
    statement,
)
from benchmarks.suites.livecodebench.dates import contest_date, parse_cutoff
from benchmarks.suites.official.livecodebench_protocol import parts_of
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.reading import (
    downloading,
    read_json_lines,
    require_texts,
    require_unique,
)
from benchmarks.suites.splits import Parts, split_by_dates_or_seed
from domino.records import Problem, Program, Reference

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.sandbox import SandboxConfig
    from benchmarks.suites.registry import SuiteOptions

OBSERVED = "observed_output"
_TEXT_FIELDS = ("id", "code", "input", "output")
# What LiveCodeBench's functions may use without an import of their own.
_NAMES: Mapping[str, str] = {
    "itertools": "accumulate, chain, combinations, count, cycle, groupby, islice, permutations, "
    "product, repeat, zip_longest",
    "collections": "Counter, OrderedDict, defaultdict, deque",
    "bisect": "bisect, bisect_left, bisect_right, insort",
    "heapq": "heapify, heappop, heappush, merge",
    "functools": "cache, lru_cache, partial, reduce",
    "math": "ceil, comb, floor, gcd, inf, isqrt, log, log2, log10, prod, sqrt",
    "operator": "iand, itemgetter, sub",
    "random": "randrange, shuffle",
    "string": "ascii_lowercase",
    "os.path": "commonprefix",
    "copy": "deepcopy",
    "typing": "Any, Callable, Dict, Generator, Iterable, Iterator, List, Optional, Set, Tuple, "
    "Union",
}
_MODULES = (
    "bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string"
)
_PREAMBLE = f"import {_MODULES}, sys\n" + "".join(
    f"from {module} import {names}\n" for module, names in _NAMES.items() if module != "bisect"
)
_IMPORT = re.compile(r"^(?:import|from) .+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Executions:
    """The problems, what belongs together in a split, the dates there are, the file's digest."""

    problems: tuple[Problem, ...]
    groups: dict[str, str]
    dates: dict[str, date]
    digest: str


def _read(path: Path | None, hub_name: str) -> Executions:
    rows, digest = _hub_rows(hub_name) if path is None else read_json_lines(path)
    problems = tuple(_problem(where, row) for where, row in rows)
    require_unique(path or hub_name, ((where, row["id"]) for where, row in rows))
    groups = {row["id"]: str(row.get("question_id") or row["code"]) for _, row in rows}
    found = {row["id"]: contest_date(where, row.get("contest_date")) for where, row in rows}
    dates = {key: when for key, when in found.items() if when is not None}
    return Executions(problems, groups, dates, digest)


def _hub_rows(name: str) -> tuple[list[tuple[str, Any]], str]:
    with downloading(name):
        import datasets

        rows = [dict(row) for row in datasets.load_dataset(name, split="test")]
    text = json.dumps(rows, sort_keys=True, default=str)
    return [(name, row) for row in rows], hashlib.sha256(text.encode()).hexdigest()


def _problem(where: str, row: Any) -> Problem:
    require_texts(where, row, _TEXT_FIELDS, "code execution")
    named = "function_name" in row
    call = row["input"].strip() if named else f"f({row['input']})"
    return make_problem(row["id"], row["code"], call, row["output"], preamble=named)


def make_problem(key: str, code: str, call: str, answer: str, *, preamble: bool = True) -> Problem:
    """Return the problem of what `call` returns; `preamble` gives the code names it may use."""
    names = _preamble(code) if preamble else ""
    imports = names + "".join(f"{line}\n" for line in _IMPORT.findall(code))
    return Problem(
        id=key,
        prompt=statement(code, call),
        entry_point=OBSERVED,
        canonical_solution=f"{names}{code}\ndef {OBSERVED}():\n    return {call}\n",
        base_inputs=[[]],
        plus_inputs=[],
        meta={
            "comparison": "value",
            "runner": "literal",
            "answer": answer,
            "imports": imports,
        },
    )


def _preamble(code: str) -> str:
    libraries = {"np.": "import numpy as np\n", "pd.": "import pandas as pd\n"}
    return _PREAMBLE + "".join(line for use, line in libraries.items() if use in code)


class ExecutionSuite(FileSuite):
    """LiveCodeBench code execution: references are functions with a call of them."""

    name = "livecodebench-execution"
    hub_name: ClassVar[str] = "livecodebench/execution-v2"
    sample_format = "predictions"
    tools = ("livecodebench.utils.extraction_utils",)
    packages = ("nvidia-livecodebench",)
    solves = True
    options = FileSuite.options | {"cutoff", "split_seed"}

    @functools.cached_property
    def file(self) -> Executions:
        """The problems and the digest of their file."""
        return _read(self._options.dataset, self.hub_name)

    @functools.cached_property
    def _parts(self) -> Parts[Problem]:
        file, options = self.file, self._options
        cutoff = parse_cutoff(options.cutoff)
        return split_by_dates_or_seed(
            file.problems, options.split_seed, cutoff, key=self._group, dates=file.dates
        )

    def _group(self, problem: Problem) -> str:
        return self.file.groups[problem.id]

    @property
    def variant(self) -> str:
        """Return how references and test problems were separated."""
        return self._parts.how

    @property
    def test_names(self) -> tuple[str, ...]:
        """There is one input, and one output."""
        return ("output",)

    def references(self) -> tuple[Reference, ...]:
        """Return functions and calls, with the right literal where the track is "pair"."""
        if self._options.references_path is not None:
            return self._file_references(self._options.references_path)
        return tuple(
            Reference(
                id=problem.id,
                instruction=self.instruction(problem).strip(),
                response=_stated(problem) if self._template == "pair" else None,
            )
            for problem in self._parts.references
        )

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return the test problems, or those for development."""
        return self._parts.test if split == "test" else self._parts.development

    def instruction(self, problem: Problem) -> str:
        """Return the function, and the assertion to be completed."""
        return problem.prompt

    def official(self, *, chat: bool) -> Protocol:
        """Return how LiveCodeBench asks; CRUXEval's own prompt has the same form.

        Raises:
            SuiteError: the package is missing.
        """
        from benchmarks.suites.official.livecodebench_protocol import execution_protocol

        return execution_protocol(chat=chat)

    def content(self, instruction: str) -> str:
        """Return function and assertion without what is asked about them."""
        asked = read_question(instruction) if REQUEST in instruction else None
        return statement(*asked) if asked else instruction.strip()

    def plainly(self, content: str) -> str:
        """Return function and assertion in a block, and what is asked."""
        return question(*parts_of(content))

    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """Take what LiveCodeBench reads as the predicted output, or the value that is stated."""
        official = self._extraction == "official"
        return Extraction("livecodebench execution" if official else "lenient value", response)

    def refusal(self, instruction: str, code: str) -> Extraction:
        """Refuse what is not a value."""
        return Extraction("refuse value", code)

    def refuse_instruction(self, instruction: str) -> tuple[str, str] | None:
        """Refuse what is not a function with one call of it."""
        if not instruction.strip():
            return ("empty", "")
        return None if read_question(instruction) else ("no function and call", "")

    def solve(self, instructions: Sequence[str], config: SandboxConfig) -> list[str | None]:
        """Run each function with its call: the response states what it returns, as a literal."""
        asked = [read_question(instruction) for instruction in instructions]
        tries = [
            _function_and_repr(str(number), *found)
            for number, found in enumerate(asked)
            if found is not None
        ]
        returned = {
            int(problem.id): text
            for (problem, _), text in zip(tries, returned_texts(tries, config), strict=True)
            if text is not None
        }
        judged = self._pool.extract([self.refusal("", text) for text in returned.values()])
        values = {
            number: text
            for (number, text), result in zip(returned.items(), judged, strict=True)
            if result.failure is None and json.loads(result.code) is None
        }
        return [
            _answer(found[1], values[number]) if found and number in values else None
            for number, found in enumerate(asked)
        ]

    def refuse_by_running(
        self, pairs: Sequence[tuple[str, str]], config: SandboxConfig
    ) -> list[tuple[str, str] | None]:
        """Refuse functions that fail, and answers that are not what they return."""
        tries: list[tuple[Problem, Program]] = []
        answers = self._pool.extract([self.extraction(response, "") for _, response in pairs])
        for number, ((instruction, _), answer) in enumerate(zip(pairs, answers, strict=True)):
            asked = read_question(instruction)
            if asked is not None:
                tries += _function_and_answer(str(number), *asked, answer.code)
        found = behaviours(tries, config)
        refusals: list[tuple[str, str] | None] = [("no function and call", "")] * len(pairs)
        for (problem, _), observed, stated in zip(tries[::2], found[::2], found[1::2], strict=True):
            refusals[int(problem.id)] = _refusal(observed, stated)
        return refusals


def _function_and_answer(
    key: str, code: str, call: str, answer: str
) -> tuple[tuple[Problem, Program], tuple[Problem, Program]]:
    """Return two programs that should behave alike: the function with its call, and the answer."""
    asked = make_problem(key, code, call, answer)
    ran = replace(asked, meta={})
    return (
        (ran, Program(id=key, problem_id=key, code=asked.canonical_solution)),
        (asked, Program(id=f"{key}/answer", problem_id=key, code=answer)),
    )


def _function_and_repr(key: str, code: str, call: str) -> tuple[Problem, Program]:
    """Return a program whose output is the text of what the call returns."""
    problem = make_problem(key, code, f"repr({call})", "")
    return replace(problem, meta={}), Program(
        id=key, problem_id=key, code=problem.canonical_solution
    )


def _refusal(observed: str | None, stated: str | None) -> tuple[str, str] | None:
    if observed is None:
        return ("the function fails", "")
    return None if observed == stated else ("answer is not what the function returns", "")


def _stated(problem: Problem) -> str:
    """Return the answer as it is asked for."""
    _, call = read_question(problem.prompt) or ("", "")
    return _answer(call, problem.meta["answer"])


def _answer(call: str, value: str) -> str:
    return f"[ANSWER]\nassert {call} == {value}\n[/ANSWER]"


class CruxEvalSuite(ExecutionSuite):
    """CRUXEval's output prediction: the same task, on functions that a model wrote."""

    name = "cruxeval"
    hub_name = "cruxeval-org/cruxeval"
    options = FileSuite.options | {"split_seed"}


def load(options: SuiteOptions) -> ExecutionSuite:
    """Return LiveCodeBench code execution with these options."""
    return ExecutionSuite(options)


def load_cruxeval(options: SuiteOptions) -> CruxEvalSuite:
    """Return CRUXEval's output prediction with these options."""
    return CruxEvalSuite(options)
