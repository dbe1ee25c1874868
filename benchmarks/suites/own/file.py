"""A user's file of problems: every row as a problem of one kind, and all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.common.words import counted
from benchmarks.suites.base import SuiteError
from benchmarks.suites.own.kinds import Kind, kind_of
from benchmarks.suites.own.problems import id_field, make_problem
from benchmarks.suites.own.values import id_of, objects_of, optional_text, text_of
from benchmarks.suites.reading import parse_strictly
from benchmarks.suites.tables import Row, Table, WrongLines, in_order, read_table, refusal
from domino.records import Problem, Reference, stable_id

Part = str
"""references, development or test."""

SPLITS: Mapping[str, Part] = MappingProxyType(
    {
        **dict.fromkeys(("references", "reference", "train"), "references"),
        **dict.fromkeys(("development", "dev", "validation", "valid"), "development"),
        "test": "test",
    }
)
_JSON_FIELDS = (
    *("cases", "expected_rows", "references", "scorer_options", "base_input", "plus_input"),
    *("ordered", "apart", "timeout_s", "atol"),
)
"""Fields whose cells in CSV hold JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnProblem:
    """A problem with the other fields of its row.

    Attributes:
        where: its place, for messages.
        problem: the problem.
        kind: its kind.
        part: which part of the data it is; None where the row has no split.
        group: by what scores are grouped; "" where the row has none.
        references: examples of the domain that the row brings along.
    """

    where: str
    problem: Problem
    kind: Kind
    part: Part | None
    group: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFile:
    """The problems of a file, one line for each row that is wrong, and the SHA-256 of its bytes."""

    rows: tuple[OwnProblem, ...]
    wrong: tuple[str, ...]
    digest: str

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the file's order."""
        return tuple(row.problem for row in self.rows)


def read_own(path: Path, fields: Mapping[str, str] = MappingProxyType({})) -> OwnFile:
    """Return the problems of a user's file, once all of its rows are right.

    Raises:
        SuiteError: it cannot be read, or a row is wrong; the first is named.
    """
    file = examine(path, fields)
    if file.wrong:
        raise refusal(path, file.wrong)
    return file


def examine(path: Path, fields: Mapping[str, str] = MappingProxyType({})) -> OwnFile:
    """Return the problems of a user's file, and all lines that are wrong.

    Raises:
        SuiteError: it cannot be read at all.
    """
    return examine_table(read_table(path, fields))


def examine_table(table: Table) -> OwnFile:
    """Return the problems of a table, and all lines that are wrong."""
    wrong = WrongLines(list(table.wrong))
    made = [wrong.attempt(lambda row=row: _own(row, table.is_text)) for row in table.rows]  # type: ignore[misc]
    rows = [row for row in made if row is not None]
    wrong.lines += [*_other_kinds(rows), *_repeated(rows), *_without_split(rows)]
    if not rows and not wrong.lines:
        wrong.lines.append(f"{table.source} has no row: give one problem a line")
    return OwnFile(rows=tuple(rows), wrong=in_order(wrong.lines), digest=table.digest)


def _own(row: Row, is_text: bool) -> OwnProblem:
    values = _from_text(row) if is_text else row.values
    kind = kind_of(row.where, values)
    split = optional_text(row.where, values, "split").strip().lower()
    if split and split not in SPLITS:
        raise SuiteError(
            f"{row.where}: split is {split!r:.60}: give references, development or test"
        )
    return OwnProblem(
        where=row.where,
        problem=make_problem(row.where, values, kind),
        kind=kind,
        part=SPLITS[split] if split else None,
        group=_group(row.where, values),
        references=_references(row.where, values),
    )


def _from_text(row: Row) -> dict[str, Any]:
    """Return the fields of a row of CSV, those that hold JSON as its values."""
    values = dict(row.values)
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = parse_strictly(f"{row.where}, {name}", values[name])
    return values


def _group(where: str, values: Mapping[str, Any]) -> str:
    return id_of(where, values, "group") if "group" in values else ""


def _references(where: str, values: Mapping[str, Any]) -> tuple[Reference, ...]:
    if "references" not in values:
        return ()
    key = id_of(where, values, id_field(values))
    found = objects_of(where, values, "references", ("instruction",), ("response",))
    return tuple(
        Reference(
            id=stable_id("reference", key, number),
            instruction=text_of(f"{where}, references {number}", item, "instruction"),
            response=optional_text(f"{where}, references {number}", item, "response") or None,
        )
        for number, item in enumerate(found, start=1)
    )


def _other_kinds(rows: Sequence[OwnProblem]) -> list[str]:
    """Name the rows of another kind than most are of."""
    counts = Counter(row.kind.name for row in rows)
    if len(counts) < 2:
        return []
    name, count = counts.most_common(1)[0]
    return [
        f"{row.where}: its kind is {row.kind.name!r}, and {counted(count, 'row')} of the file "
        f"{'is' if count == 1 else 'are'} of the kind {name!r}: put it into a file of its own"
        for row in rows
        if row.kind.name != name
    ]


def _repeated(rows: Sequence[OwnProblem]) -> list[str]:
    seen: dict[str, str] = {}
    wrong = []
    for row in rows:
        first = seen.setdefault(row.problem.id, row.where)
        if first != row.where:
            line = first.rpartition(", ")[2]
            wrong.append(
                f"{row.where}: the id {row.problem.id!r} is that of {line} too: give it another"
            )
    return wrong


def _without_split(rows: Sequence[OwnProblem]) -> list[str]:
    without = [row for row in rows if row.part is None]
    if len(without) in (0, len(rows)):
        return []
    return [
        f"{row.where}: no split, and other rows have one: give references, development or test"
        for row in without
    ]
