"""The one reader of files of examples: references, data sets, problems; a row is an object.

JSON lines, a JSON list, CSV, TSV and parquet, text files also as .gz. What is wrong with a file as
such is an error; what is wrong with a row is one line for that row, so that all can be shown.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from benchmarks.common.fields import closest
from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import (
    decode,
    downloading,
    numbered,
    parse_strictly,
    read_bytes,
    reading,
)

Made = TypeVar("Made")

_HUB = re.compile(r"(?P<name>\w[\w.-]*(?:/\w[\w.-]*)?)(?:@(?P<revision>\w[\w./-]*))?")
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".gz")
_PLACE = re.compile(r", (?:line|row|item) (\d+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One row's fields, and its place for messages; a field that is null is left out."""

    where: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that can be read, one line for each that cannot, and the SHA-256 of the bytes."""

    source: str
    rows: tuple[Row, ...]
    wrong: tuple[str, ...]
    digest: str
    is_text: bool = False
    """Whether every value is a text, as in CSV."""


@dataclass(slots=True)
class WrongLines:
    """Collects what is wrong, one line each."""

    lines: list[str] = field(default_factory=list)

    def attempt(self, make: Callable[[], Made]) -> Made | None:
        """Return what `make` does, None where it refuses; the refusal is kept."""
        try:
            return make()
        except SuiteError as error:
            self.lines.append(str(error))
            return None


def read_fields(text: str, known: Sequence[str]) -> dict[str, str]:
    """Return the columns that `instruction=question,response=answer` names, by our names.

    Raises:
        SuiteError: it has another form, or names a field that is not known.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    named = {ours.strip(): column.strip() for ours, _, column in pairs}
    for (ours, equals, column), name in zip(pairs, [p[0].strip() for p in pairs], strict=True):
        if not equals or not column.strip() or not name:
            raise SuiteError(
                f"fields is {text!r}: give NAME=COLUMN pairs, such as "
                "instruction=question,response=answer"
            )
        if name not in known:
            raise SuiteError(
                f"fields names {ours.strip()!r}{closest(name, known)}: known are {', '.join(known)}"
            )
    if len(named) < len(pairs):
        raise SuiteError(f"fields is {text!r}: it gives a name twice; give each once")
    return named


def is_hub_name(source: str) -> bool:
    """Whether a source is not a file but may be the name of a data set of a hub."""
    plain = source.rpartition("@")[0] or source
    return (
        not Path(source).exists()
        and _HUB.fullmatch(source) is not None
        and not plain.endswith(_SUFFIXES)
    )


def read_table(source: Path, fields: Mapping[str, str] = MappingProxyType({})) -> Table:
    """Return the rows of a file; `fields` gives columns the names that are asked for.

    A column that is not there is passed over where the rows have its new name already.

    Raises:
        SuiteError: the file cannot be read as a whole, or no row has a column of `fields`.
    """
    if source.is_dir():
        raise SuiteError(f"{source} is a folder: give a file")
    kind = source.with_suffix("").suffix if source.suffix == ".gz" else source.suffix
    read = _READERS.get(kind.lower(), _json_lines)
    return _renamed(read(source), fields)


def read_hub(source: str, split: str, fields: Mapping[str, str] = MappingProxyType({})) -> Table:
    """Return the rows of a split of a hub's data set, OWNER/NAME or OWNER/NAME@REVISION.

    Raises:
        SuiteError: it cannot be got, or has no such column.
    """
    found = _HUB.fullmatch(source)
    if found is None:
        raise SuiteError(f"{source!r} is neither a file nor the name of a hub's data set")
    with downloading(f"data set {source}", "give a file"):
        import datasets

        loaded = datasets.load_dataset(found["name"], revision=found["revision"], split=split)
        values = [dict(row) for row in loaded]
    text = json.dumps(values, sort_keys=True, default=str)
    table = _of_values(source, "row", values, hashlib.sha256(text.encode()).hexdigest())
    return _renamed(table, fields)


def in_order(lines: Sequence[str]) -> tuple[str, ...]:
    """Return messages in the order of the rows that they name."""

    def number(line: str) -> int:
        found = _PLACE.search(line)
        return int(found[1]) if found else 0

    return tuple(sorted(lines, key=number))


def refusal(source: object, wrong: Sequence[str]) -> SuiteError:
    """Return the error that names the first wrong line, and where to see the others."""
    more = len(wrong) - 1
    others = f" ({more} more: python -m benchmarks.check {source} shows all)" if more > 0 else ""
    return SuiteError(wrong[0] + others)


def _json_lines(path: Path) -> Table:
    data, digest = read_bytes(path)
    wrong = WrongLines()
    rows = [
        wrong.attempt(lambda where=where, line=line: _row(where, parse_strictly(where, line)))  # type: ignore[misc]
        for where, line in numbered(path, data.split(b"\n"))
    ]
    return Table(str(path), tuple(filter(None, rows)), tuple(wrong.lines), digest)


def _json(path: Path) -> Table:
    data, digest = read_bytes(path)
    if not data.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return _json_lines(path)
    values = parse_strictly(str(path), data)
    return _of_values(str(path), "item", values, digest)


def _of_values(source: str, what: str, values: Sequence[Any], digest: str) -> Table:
    wrong = WrongLines()
    rows = [
        wrong.attempt(lambda number=number, value=value: _row(  # type: ignore[misc]
            f"{source}, {what} {number}", value
        ))
        for number, value in enumerate(values, start=1)
    ]  # fmt: skip
    return Table(source, tuple(filter(None, rows)), tuple(wrong.lines), digest)


def _row(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise SuiteError(f"{where}: a {type(value).__name__}, not an object with fields")
    return Row(where, {str(name): item for name, item in value.items() if item is not None})


def _csv(path: Path) -> Table:
    data, digest = read_bytes(path)
    text = decode(str(path), data)
    tabs = ".tsv" in path.suffixes
    wrong = WrongLines()
    rows = list(_csv_rows(path, text, "\t" if tabs else ",", wrong))
    return Table(str(path), tuple(rows), tuple(wrong.lines), digest, is_text=True)


def _csv_rows(path: Path, text: str, delimiter: str, wrong: WrongLines) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    first = 1
    try:
        for cells in reader:
            where, first = f"{path}, line {first}", reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if len(set(header)) < len(header) or not all(header):
                    raise SuiteError(f"{where}: the header names a column twice, or none at all")
            elif len(cells) != len(header):
                wrong.lines.append(
                    f"{where}: {len(cells)} cells, and the header has {len(header)}: quote cells "
                    "that hold commas or line breaks"
                )
            else:
                pairs = zip(header, cells, strict=True)
                yield Row(where, {name: cell for name, cell in pairs if cell != ""})
    except csv.Error as error:
        raise SuiteError(
            f"{path}, line {first}: not CSV ({error}): quote cells as CSV has it, or give JSON "
            "lines"
        ) from error


def _parquet(path: Path) -> Table:
    with reading(path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        import pyarrow
        import pyarrow.parquet

        try:
            values = pyarrow.parquet.read_table(path).to_pylist()
        except pyarrow.ArrowException as error:
            raise ValueError(" ".join(str(error).split())) from error
    return _of_values(str(path), "row", values, digest)


_READERS: Mapping[str, Callable[[Path], Table]] = MappingProxyType(
    {".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
)


def _renamed(table: Table, fields: Mapping[str, str]) -> Table:
    if not fields:
        return table
    columns = dict.fromkeys(name for row in table.rows for name in row.values)
    fields = {o: c for o, c in fields.items() if c in columns or o not in columns}
    for ours, column in fields.items():
        if table.rows and column not in columns:
            raise SuiteError(
                f"{table.source}: fields says {ours}={column}, and no row has a field {column!r}"
                f"{closest(column, columns)}: there are {', '.join(list(columns)[:12])}"
            )
    ours_of = {column: ours for ours, column in fields.items()}
    rows = tuple(
        Row(
            row.where,
            {
                ours_of.get(name, name): value
                for name, value in row.values.items()
                if name in ours_of or name not in fields
            },
        )
        for row in table.rows
    )
    return Table(table.source, rows, table.wrong, table.digest, table.is_text)
