"""A cell: the outcome of one method with one seed on one data set, as a small file of its own.

It has what reports need of a row: the outcome of every program, the summaries of the stages, what
the data is like, and the digests of all that the row was made with. It has no text of any model, so
that it takes a few kB and can be committed; tables, verdicts and figures are made from cells alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from benchmarks.common.fields import flatten
from benchmarks.pipeline.rows import FIELDS, Described, FailedRun, SeedRun
from benchmarks.stages.describe import PROGRAMS_OF, ProgramKey
from benchmarks.stages.evaluate import VERDICTS
from benchmarks.store.store import Stage, canonical_json
from domino.records import SCHEMA_VERSION, Outcome, Record, RecordError, Verdict
from domino.text import escaped, load_json

OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "p": Outcome.PASSED, "w": Outcome.WRONG, "e": Outcome.ERROR, "t": Outcome.TIMEOUT,
        "m": Outcome.OUT_OF_MEMORY, "o": Outcome.OUTPUT_LIMIT, "k": Outcome.KILLED,
        "r": Outcome.REFUSED, "x": Outcome.EXTRACTION_TIMEOUT,
        "f": Outcome.EXTRACTION_FAILED, "u": Outcome.UNFINISHED_THOUGHT,
    }
)  # fmt: skip
"""The letter of each outcome in a cell."""
_LETTERS = {outcome: letter for letter, outcome in OUTCOMES.items()}
DIGESTS: Mapping[str, str] = MappingProxyType(
    {"suite_digest": "data", "references_digest": "references", "model_digest": "checkpoint"}
)
"""What the digests are of that cells of one run share."""
_BY_DIGEST = ("model", "suite_options")  # places of files, whose content the digests are of
_NAMED = 3
_LONGEST_SERIES = 1_000_000
_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)", re.DOTALL)
_RecordT = TypeVar("_RecordT", bound=Record)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEntry(Record):
    """A finished stage in a cell: the fields of its manifest that reports need."""

    name: str
    address: str
    code: str
    finished: str
    seconds: float
    cpu_seconds: float | None = None
    summary: Mapping[str, Any]

    @classmethod
    def of(cls, stage: Stage) -> StageEntry:
        """Return the entry of a finished stage."""
        return cls(
            name=stage.name, address=stage.address, code=stage.code, finished=stage.finished,
            seconds=stage.seconds, cpu_seconds=stage.cpu_seconds, summary=stage.summary,
        )  # fmt: skip

    @property
    def directory(self) -> str:
        """The stage's directory below that of a run's stages."""
        return f"{self.name}-{self.address[:16]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramOutcomes(Record):
    """What became of every program of a row.

    Attributes:
        problems: ids in the order of the programs; [prefix, first, last] for a numbered series.
        samples: programs for each problem.
        base: the letter (of OUTCOMES) of each program on base inputs, problem by problem.
        plus: the same on base and plus inputs; "" where all letters are those of `base`.
    """

    problems: Sequence[Any]
    samples: int
    base: str
    plus: str = ""

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> ProgramOutcomes:
        """Return the outcomes of the verdicts of a stage `evaluate`, which are in order."""
        base = "".join(_LETTERS[verdict.base] for verdict in verdicts)
        plus = "".join(_LETTERS[verdict.plus] for verdict in verdicts)
        problems = [problem for problem, _ in groupby(verdicts, lambda v: v.problem_id)]
        return cls(
            problems=pack_ids(problems), samples=len(verdicts) // max(1, len(problems)), base=base,
            plus="" if plus == base else plus,
        )  # fmt: skip

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts, without their details.

        Raises:
            RecordError: there are not as many letters as programs, or a letter means nothing.
        """
        problems, plus = unpack_ids(self.problems), self.plus or self.base
        programs = len(problems) * self.samples
        if not programs == len(self.base) == len(plus) or {*self.base, *plus} - {*OUTCOMES}:
            raise RecordError(f"{programs} programs with outcomes {self.base:.20} {plus:.20}")
        names = [(problem, n) for problem in problems for n in range(self.samples)]
        return [
            Verdict(program_id=f"{problem}/{n}", problem_id=problem, base=OUTCOMES[one],
                    plus=OUTCOMES[other])
            for (problem, n), one, other in zip(names, self.base, plus, strict=True)
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell(Record):
    """One method with one seed on one data set.

    Attributes:
        method: its name.
        seed: of the whole pipeline.
        methods: those of the run, in its order, in which reports show them.
        about: what all rows of the run share: suite, model, digests, counts.
        config: the run's fields that all its rows share and that hold on every machine.
        plan: the comparisons that its run had planned; for information, an analysis names its own.
        options: the method's own, as the run gave them.
        settings: the method's complete config, where it saved it with its work.
        stages: the finished ones, in the order of the run.
        outcomes: of the programs; None where the row failed.
        domain: the stage that holds references and problems.
        references: what the references are like.
        measures: what the method drew is like; None where it failed before.
        growth: of each draw whether it is a task that none before it is, as bits: hexadecimal,
            the first draw is the highest bit, behind a leading 1.
        facts: what the suite's oracles counted.
        asked: instructions that a failed row was asked for.
        failed_in: the stage that the row failed in; "" where it did not.
        reason: why it failed.
        versions: git commit, Python and libraries.
        machine: kind of processor, cores, system.
    """

    method: str
    seed: int
    methods: tuple[str, ...]
    about: Mapping[str, Any]
    config: Mapping[str, Any]
    plan: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[StageEntry, ...]
    outcomes: ProgramOutcomes | None = None
    domain: StageEntry
    references: StageEntry
    measures: StageEntry | None = None
    growth: str = ""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: int = 0
    failed_in: str = ""
    reason: str = ""
    versions: Mapping[str, str]
    machine: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What the cell is of: suite, variant, method, seed."""
        return self.about["suite"], self.about["variant"], self.method, self.seed

    @property
    def addresses(self) -> list[str]:
        """The cache keys of the row's stages."""
        return [entry.address for entry in self.stages]

    def row(self, stages: Path | None = None) -> SeedRun | FailedRun:
        """Return the row.

        Args:
            stages: directory of a run's stages, from which records are read that cells do not hold.

        Raises:
            RecordError: the cell lacks a stage.
        """
        made = [self.stage(entry, stages) for entry in self.stages]
        if self.failed_in:
            return FailedRun(
                method=self.method, seed=self.seed, asked=self.asked, stages=tuple(made),
                stage=self.failed_in, reason=self.reason,
            )  # fmt: skip
        if len(made) != len(FIELDS) or self.outcomes is None:
            raise RecordError(f"{len(made)} of {len(FIELDS)} stages, and the row did not fail")
        return SeedRun(method=self.method, seed=self.seed, **dict(zip(FIELDS, made, strict=True)))

    def described(self, entry: StageEntry, stages: Path | None = None) -> Described:
        """Return what a set of instructions is like; its embeddings are in no cell."""
        measures = self.stage(entry, stages)
        return Described(embedded=measures, measures=measures)

    def stage(self, entry: StageEntry, stages: Path | None = None) -> Stage:
        """Return one of the cell's stages."""
        records: dict[str, list[Any]] = {}
        if entry.name == "evaluate" and self.outcomes is not None:
            records[VERDICTS] = self.outcomes.verdicts()
        if entry is self.measures:
            records[PROGRAMS_OF] = [
                ProgramKey(id=str(n), key=str(n) if new else "")
                for n, new in enumerate(unpack_bits(self.growth))
            ]
        return CellStage(entry, records, stages)

    def to_text(self) -> str:
        """Return the content of the cell's file."""
        return with_digest({"v": SCHEMA_VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_text(cls, text: str) -> Cell:
        """Read what `to_text` wrote.

        Raises:
            RecordError: the text is torn, was changed, or is not a cell of this version.
        """
        cell = cls.from_json(json.dumps(checked_values(text)))
        cell.row()
        return cell


class CellStage(Stage):
    """A finished stage of a cell, with the records of the cell, and of its directory if known."""

    def __init__(
        self, entry: StageEntry, records: Mapping[str, Sequence[Any]], stages: Path | None
    ) -> None:
        """Describe a stage; `stages` is the directory of a run's stages, None reads none."""
        path = (stages or Path()) / entry.directory
        origin = {"config": {}, "inputs": [], "code": entry.code}
        super().__init__(name=entry.name, address=entry.address, path=path, origin=origin)
        self._entry, self._records = entry, records
        self._here = stages is not None

    def read(self, file: str, record_class: type[_RecordT]) -> list[_RecordT]:
        """Return the records of a file; none where neither the cell nor this machine has them."""
        if self._here:
            return super().read(file, record_class)
        return list(self._records.get(file, ()))

    def _manifest(self) -> dict[str, Any]:
        return {"files": {}, **dataclasses.asdict(self._entry)}


def with_digest(values: Mapping[str, Any]) -> str:
    """Return values as the text of a cell: JSON with sorted keys and a digest of all others."""
    plain = json.loads(canonical_json(values))
    sealed = plain | {"digest": _digest(plain)}
    return escaped(json.dumps(sealed, indent=1, sort_keys=True, ensure_ascii=False)) + "\n"


def checked_values(text: str) -> dict[str, Any]:
    """Return the values that `with_digest` wrote.

    Raises:
        RecordError: the text is torn, was changed, or is not that of a cell.
    """
    try:
        values = load_json(text)
    except ValueError as error:
        raise RecordError(f"not JSON ({error})") from error
    if not isinstance(values, dict) or "digest" not in values:
        raise RecordError("not a cell")
    if values.pop("digest") != _digest(values):
        raise RecordError("its content is not that of its digest")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def differing(
    prefix: str, there: Mapping[str, Any], here: Mapping[str, Any], *, missing: bool = False
) -> str:
    """Return the first fields in which two mappings differ.

    A field that one of them lacks is one that another release has; with `missing` it differs.
    """
    one, other = flatten(there), flatten(here)
    names = sorted(one.keys() | other.keys() if missing else one.keys() & other.keys())
    found = [
        f"{prefix}{name} {one.get(name, 'not given')}, here {other.get(name, 'not given')}"
        for name in names
        if one.get(name) != other.get(name)
    ]
    return " and ".join(found[:_NAMED])


def differing_config(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return the first fields in which the configs of two runs differ; "" in none."""
    stated = {name: value for name, value in there.items() if name not in _BY_DIGEST}
    return differing("", stated, here)


def pack_ids(ids: Sequence[str]) -> list[Any]:
    """Return ids with [prefix, first, last] for those that differ in a number that grows by one."""
    packed: list[Any] = []
    for name in ids:
        found = _NUMBERED.fullmatch(name)
        if found is None:
            packed.append(name)
            continue
        prefix, number = found[1], int(found[2])
        if packed and isinstance(packed[-1], list) and packed[-1][::2] == [prefix, number - 1]:
            packed[-1][2] = number
        else:
            packed.append([prefix, number, number])
    return [
        f"{entry[0]}{entry[1]}" if isinstance(entry, list) and entry[1] == entry[2] else entry
        for entry in packed
    ]


def unpack_ids(packed: Sequence[Any]) -> list[str]:
    """Return the ids that `pack_ids` was given.

    Raises:
        RecordError: an entry is neither an id nor a series.
    """
    ids = []
    for entry in packed:
        if isinstance(entry, str):
            ids.append(entry)
            continue
        try:
            prefix, first, last = entry
            if last - first >= _LONGEST_SERIES:
                raise ValueError
            ids += [f"{prefix}{number}" for number in range(first, last + 1)]
        except (TypeError, ValueError) as error:
            raise RecordError(f"{entry!r:.60} is neither an id nor a series of ids") from error
    return ids


def pack_bits(bits: Sequence[bool]) -> str:
    """Return bits as a hexadecimal number behind a leading 1; "" for none."""
    return f"{int('1' + ''.join('01'[bit] for bit in bits), 2):x}" if bits else ""


def unpack_bits(text: str) -> list[bool]:
    """Return the bits that `pack_bits` was given.

    Raises:
        RecordError: the text is not such a number.
    """
    if text and not re.fullmatch("[1-9a-f][0-9a-f]*", text):
        raise RecordError(f"{text:.20} is not a hexadecimal number")
    return [bit == "1" for bit in f"{int(text or '1', 16):b}"[1:]]
