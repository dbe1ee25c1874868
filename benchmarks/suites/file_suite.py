"""What suites have in common whose problems come from a published file."""

from __future__ import annotations

import copy
import functools
import json
import typing
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, get_args

from benchmarks.evaluator.gold import canonical_code
from benchmarks.suites.base import Extracted, Suite, SuiteError
from benchmarks.suites.examples import FIELDS as REFERENCE_FIELDS
from benchmarks.suites.extraction.pool import ExtractionPool
from benchmarks.suites.official.packages import release, require
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.reference_file import read_references
from benchmarks.suites.registry import refuse_options
from benchmarks.suites.tables import read_fields
from domino.records import Problem, Reference
from domino.synthesizer import Template

if TYPE_CHECKING:
    from benchmarks.suites.extraction.rules import Extraction
    from benchmarks.suites.registry import SuiteOptions


PROTOCOLS = ("official", "plain")
EXTRACTIONS = ("official", "lenient")


class ProblemSource(typing.Protocol):
    """The problems of a data file, in its order, and the SHA-256 of its bytes."""

    @property
    def problems(self) -> Sequence[Problem]:
        """All problems."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""


class FileSuite(Suite):
    """A suite with a data file, and references of its own or of a file of the user's."""

    options: ClassVar[frozenset[str]] = frozenset(
        {"track", "dataset", "references_path", "protocol", "extraction", "fields"}
    )
    """The options that this suite understands."""
    field_names: ClassVar[tuple[str, ...]] = REFERENCE_FIELDS
    """What the option `fields` may name."""
    tools: ClassVar[tuple[str, ...]] = ()
    """Modules of optional packages that the official protocol and extraction call."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions whose releases the official protocol and extraction are."""

    def __init__(self, options: SuiteOptions) -> None:
        """Remember where the data is; nothing is read before it is asked for.

        Raises:
            SuiteError: an option that the suite does not have, or a track, a protocol or an
                extraction that there is not.
        """
        refuse_options(self.name, options, self.options)
        track = options.track or "instruction"
        if track not in get_args(Template):
            raise SuiteError(f"{self.name} has no track {track!r}: give 'instruction' or 'pair'")
        self._template: Template = "pair" if track == "pair" else "instruction"
        self._protocol = options.protocol or "official"
        if self._protocol not in PROTOCOLS:
            raise SuiteError(f"protocol is {self._protocol!r}: give official or plain")
        by_default = "official" if self._protocol == "official" else "lenient"
        self._extraction = options.extraction or by_default
        if self._extraction not in EXTRACTIONS:
            raise SuiteError(f"extraction is {self._extraction!r}: give official or lenient")
        self._fields = read_fields(options.fields or "", self.field_names)
        self._options = options

    @property
    @abstractmethod
    def file(self) -> ProblemSource:
        """The problems and the digest of their file."""

    @property
    def template(self) -> Template:
        """Which fields of a reference the methods may use: the suite's track."""
        return self._template

    @property
    def digest(self) -> str:
        """SHA-256 of the data file's bytes."""
        return self.file.digest

    @abstractmethod
    def official(self, *, chat: bool) -> Protocol:
        """How the benchmark's own tool asks, in chat turns or by direct completion."""

    def plainly(self, content: str) -> str:
        """The content in this project's own words: the user turn of protocol plain."""
        return content

    def protocol(self, *, chat: bool) -> Protocol:
        """Return the official protocol, or the plain one where that is asked for.

        Raises:
            SuiteError: the official one has no direct completion, or its package is missing.
        """
        if self._protocol == "official":
            return self.official(chat=chat)
        return Protocol(turns=lambda content: ({"role": "user", "content": self.plainly(content)},))

    @property
    def rules(self) -> str:
        """Return protocol and extraction, with the releases of their packages."""
        official = "official" in (self._protocol, self._extraction)
        releases = [f"{name} {release(name)}" for name in self.packages] if official else []
        return ", ".join([self._protocol, self._extraction, *releases])

    @abstractmethod
    def extraction(
        self, response: str, entry_point: str, prompt: str = "", *, direct: bool = False
    ) -> Extraction:
        """How the candidate is taken out of a response; entry point and prompt where known."""

    @abstractmethod
    def refusal(self, instruction: str, code: str) -> Extraction:
        """The rule by which what was extracted is refused where the evaluator cannot score it."""

    def asked_function(self, instruction: str) -> str:
        """The name of the function that an instruction asks for, "" where it names none."""
        return ""

    @functools.cached_property
    def _pool(self) -> ExtractionPool:
        return ExtractionPool()

    def check(self) -> None:
        """Refuse to begin without the packages of the official protocol and extraction.

        Raises:
            SuiteError: one is missing.
        """
        if "official" in (self._protocol, self._extraction):
            require(*self.tools)

    def extract(self, problem: Problem, response: str) -> str:
        """Return the candidate in a response, "" where the tool gave up."""
        return self.extract_all([(problem, response)])[0].code

    def extract_all(
        self, pairs: Sequence[tuple[Problem, str]], *, direct: bool = False
    ) -> list[Extracted]:
        """Return the candidates in responses, extracted in processes of their own."""
        return self._pool.extract(
            [
                self.extraction(text, problem.entry_point, problem.prompt, direct=direct)
                for problem, text in pairs
            ]
        )

    def refuse_response(self, instruction: str, response: str) -> tuple[str, str] | None:
        """Refuse a response out of which the evaluator would take nothing that it can score."""
        return self.refuse_responses([(instruction, response)])[0]

    def refuse_responses(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str] | None]:
        """Refuse by what the evaluator's own extraction takes out of each response."""
        found = self._pool.extract(
            [
                self.extraction(text, self.asked_function(asked), f"{asked}\n")
                for asked, text in pairs
            ]
        )
        judged = self._pool.extract(
            [
                self.refusal(asked, taken.code)
                for (asked, _), taken in zip(pairs, found, strict=True)
            ]
        )
        return [_refused(*both) for both in zip(found, judged, strict=True)]

    def right_pairs(self) -> Sequence[Reference]:
        """The references with their responses, whatever the track."""
        paired = copy.copy(self)
        paired._template = "pair"
        return [reference for reference in paired.references() if reference.response]

    def everything(self) -> tuple[Problem, ...]:
        """All problems of the file."""
        return tuple(self.file.problems)

    def _solved(self, problems: Iterable[Problem]) -> tuple[Reference, ...]:
        """Return problems as references, with their solutions where the track is "pair"."""
        paired = self._template == "pair"
        return tuple(
            Reference(
                id=problem.id,
                instruction=self.instruction(problem).strip(),
                response=f"```python\n{canonical_code(problem).strip()}\n```" if paired else None,
            )
            for problem in problems
        )

    def _file_references(self, path: Path) -> tuple[Reference, ...]:
        """Return a user's own references, as far as this track may use them."""
        paired = self._template == "pair"
        named = {ours: self._fields[ours] for ours in REFERENCE_FIELDS if ours in self._fields}
        return tuple(
            Reference(
                id=reference.id,
                instruction=self.content(reference.instruction),
                response=reference.response if paired else None,
                meta=reference.meta if paired else {},
            )
            for reference in read_references(path, fields=named)
        )


def _refused(taken: Extracted, judged: Extracted) -> tuple[str, str] | None:
    """Return reason and detail of what the extraction gave up, or the judgement of it."""
    for result in (taken, judged):
        if result.failure is not None:
            return (str(result.failure), result.detail)
    found = json.loads(judged.code)
    return None if found is None else (str(found[0]), str(found[1]))
