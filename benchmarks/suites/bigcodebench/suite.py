"""BigCodeBench, Full and Hard, with the complete or the instruct prompt."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from benchmarks.suites.base import Split, SuiteError
from benchmarks.suites.bigcodebench.environment import interpreter, missing_modules, other_reasons
from benchmarks.suites.bigcodebench.rows import Subset, TaskFile, read_tasks
from benchmarks.suites.code_text import asked_function
from benchmarks.suites.extraction.rules import Extraction
from benchmarks.suites.file_suite import FileSuite
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.splits import Parts, split_by_seed
from domino.records import Problem, Reference

if TYPE_CHECKING:
    from benchmarks.sandbox import SandboxConfig
    from benchmarks.suites.registry import SuiteOptions

Prompt = Literal["complete", "instruct"]
PROMPTS = get_args(Prompt)
_COMPLETE = "Write this Python function to the end. Give the whole module, in one block of code."
# What its tasks need beyond other suites' programs: they start processes, draw, and fit models.
_PROCESSES, _MEMORY_MIB, _FILE_MIB = 64, 4096, 256


class BigCodeBenchSuite(FileSuite):
    """BigCodeBench Full. References are dealt out by seed, stratified by library.

    Tasks that cannot be judged here (a library is not in the environment) are in no split, and are
    named with the reason.
    """

    name = "bigcodebench"
    subset: ClassVar[Subset] = "full"
    tools = ("bigcodebench.sanitize", "pqdm", "bounded_pool_executor")
    packages = ("bigcodebench",)
    options = FileSuite.options | {"split_seed", "prompt", "task_ids", "environment"}

    def __init__(self, options: SuiteOptions) -> None:
        """Remember where the data is.

        Raises:
            SuiteError: an option that the suite does not have, or a prompt that there is not.
        """
        super().__init__(options)
        given = options.prompt or "complete"
        if given not in PROMPTS:
            raise SuiteError(f"prompt is {given!r}: give complete or instruct")
        self._prompt: Prompt = "instruct" if given == "instruct" else "complete"

    @functools.cached_property
    def file(self) -> TaskFile:
        """The tasks and the digest of their file."""
        return read_tasks(self._options.dataset, self.subset, self._options.task_ids)

    @property
    def test_names(self) -> tuple[str, ...]:
        """There is one set of tests."""
        return ("tests",)

    def limits(self, config: SandboxConfig) -> SandboxConfig:
        """Return the sandbox with the environment's interpreter and the room that tasks need."""
        return replace(
            config,
            interpreter=str(interpreter(self._options.environment)),
            processes=max(config.processes, _PROCESSES),
            memory_mib=max(config.memory_mib, _MEMORY_MIB),
            file_mib=max(config.file_mib, _FILE_MIB),
        )

    @functools.cached_property
    def unjudged(self) -> Mapping[str, str]:
        """Tasks whose library is not in the environment, or that need what a sandbox has not."""
        names = frozenset().union(*self.file.modules.values())
        missing = missing_modules(interpreter(self._options.environment), names)
        reasons = {
            key: f"no module {', '.join(sorted(modules & missing))}"
            for key, modules in self.file.modules.items()
            if modules & missing
        }
        known = {problem.id for problem in self.file.problems}
        return {**{k: r for k, r in other_reasons().items() if k in known}, **reasons}

    def labels(self, problem: Problem) -> tuple[str, ...]:
        """Return the libraries that a task uses."""
        return tuple(problem.meta["libraries"].split(", "))

    @functools.cached_property
    def _parts(self) -> Parts[Problem]:
        unjudged, strata = self.unjudged, self.file.strata
        return split_by_seed(
            [problem for problem in self.everything() if problem.id not in unjudged],
            self._options.split_seed,
            key=lambda problem: problem.id,
            stratum=lambda problem: strata[problem.id],
        )

    @property
    def variant(self) -> str:
        """Say which prompt it is, how it is split, and what is left out."""
        left = len(self.unjudged)
        out = f"; {left} tasks cannot be judged here and are left out" if left else ""
        return f"{self._prompt} prompts, {self._parts.how} and by library{out}"

    def references(self) -> tuple[Reference, ...]:
        """Return the references' share of tasks, with their solutions where the track is "pair"."""
        if self._options.references_path is not None:
            return self._file_references(self._options.references_path)
        return self._solved(self._parts.references)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Return the test tasks, or those for development."""
        return self._parts.test if split == "test" else self._parts.development

    def official(self, *, chat: bool) -> Protocol:
        """Return how BigCodeBench's generate asks.

        Raises:
            SuiteError: prompt instruct for a base model, or the package is missing.
        """
        from benchmarks.suites.official.bigcodebench_protocol import bigcodebench_protocol

        return bigcodebench_protocol(self._prompt, chat=chat)

    def instruction(self, problem: Problem) -> str:
        """Return the prompt in words, or the function to be completed."""
        if self._prompt == "instruct":
            return problem.meta["instruct_prompt"]
        return problem.prompt

    def content(self, instruction: str) -> str:
        """Return a function without the request to write it to the end."""
        text = instruction.strip()
        if text.startswith(_COMPLETE):
            text = text.removeprefix(_COMPLETE).strip()
            text = text.removeprefix("```python").removesuffix("```")
        return text.strip()

    def plainly(self, content: str) -> str:
        """Return the request in words, or that to write the function to the end."""
        if self._prompt == "instruct":
            return content.strip()
        return f"{_COMPLETE}\n\n```python\n{content.strip()}\n```"

    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """Take what BigCodeBench's sanitizer keeps, or the function with all that it needs."""
        if self._extraction == "official":
            return Extraction("bigcodebench", response, entry_point)
        return Extraction("lenient function", response, entry_point, prompt)

    def asked_function(self, instruction: str) -> str:
        """Return the function that is begun: in the benchmark it is always task_func."""
        return asked_function(instruction)

    def refusal(self, instruction: str, code: str) -> Extraction:
        """Refuse what does not define the function that is asked for."""
        return Extraction("refuse function", code, self.asked_function(instruction))


class BigCodeBenchHardSuite(BigCodeBenchSuite):
    """BigCodeBench-Hard: its own file, or the full one with `task_ids`."""

    name = "bigcodebench-hard"
    subset = "hard"

    @functools.cached_property
    def file(self) -> TaskFile:
        """The tasks and the digest of their file.

        Raises:
            SuiteError: this is the full benchmark.
        """
        file = read_tasks(self._options.dataset, self.subset, self._options.task_ids)
        if len(file.problems) > _HARD:
            raise SuiteError(
                f"bigcodebench-hard has {_HARD} tasks, the data set {len(file.problems)}: give "
                "its own file, or name its tasks with task_ids (a file of one id a line)"
            )
        return file


_HARD = 148


def load(options: SuiteOptions) -> BigCodeBenchSuite:
    """Return BigCodeBench Full with these options."""
    return BigCodeBenchSuite(options)


def load_hard(options: SuiteOptions) -> BigCodeBenchHardSuite:
    """Return BigCodeBench-Hard with these options."""
    return BigCodeBenchHardSuite(options)
