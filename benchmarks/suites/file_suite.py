"""What suites have in common whose problems come from a published file."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, get_args

from benchmarks.evaluator.gold import canonical_code
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.reference_file import read_references
from benchmarks.suites.registry import refuse_options
from domino.records import Problem, Reference
from domino.synthesizer import Template

if TYPE_CHECKING:
    from benchmarks.suites.registry import SuiteOptions


class ProblemSource(Protocol):
    """The problems of a data file, in its order, and the SHA-256 of its bytes."""

    @property
    def problems(self) -> Sequence[Problem]:
        """All problems."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""


class FileSuite(Suite):
    """A suite with a data file, and references of its own or of a file of the user's."""

    options: ClassVar[frozenset[str]] = frozenset({"track", "dataset", "references_path"})
    """The options that this suite understands."""

    def __init__(self, options: SuiteOptions) -> None:
        """Remember where the data is; nothing is read before it is asked for.

        Raises:
            SuiteError: an option that the suite does not have, or a track that there is not.
        """
        refuse_options(self.name, options, self.options)
        track = options.track or "instruction"
        if track not in get_args(Template):
            raise SuiteError(f"{self.name} has no track {track!r}: give 'instruction' or 'pair'")
        self._template: Template = "pair" if track == "pair" else "instruction"
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
                instruction=self.instruction(problem),
                response=f"```python\n{canonical_code(problem).strip()}\n```" if paired else None,
            )
            for problem in problems
        )

    def _file_references(self, path: Path) -> tuple[Reference, ...]:
        """Return a user's own references, as far as this track may use them."""
        references = read_references(path)
        if self._template == "pair":
            return references
        return tuple(
            Reference(id=reference.id, instruction=reference.instruction)
            for reference in references
        )
