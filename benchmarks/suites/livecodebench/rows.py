"""LiveCodeBench's code-generation rows, in the original schema and in the six-field public form.

A release has gigabytes of hidden tests: of each row they are read again from the file when they are
needed, and never kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

from benchmarks.suites.base import SuiteError
from benchmarks.suites.livecodebench.dates import contest_date
from benchmarks.suites.livecodebench.hidden import HiddenTestsError, decode_hidden
from benchmarks.suites.reading import (
    downloading,
    numbered,
    parse_json,
    read_bytes,
    reading,
    require_texts,
    require_unique,
)

Kind = Literal["stdin", "functional"]
_TEXT_FIELDS = ("question_id", "question_content", "starter_code", "public_test_cases")
_HUB_NAME = "livecodebench/code_generation_lite"
_HUB_FILES = ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))  # release 6


@dataclass(frozen=True, slots=True)
class Case:
    """One test: the text for standard input, or a JSON value a line; and what comes out."""

    input: str
    output: str
    kind: Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One problem; `hidden` reads its hidden tests, `date` is None in the public form.

    Attributes:
        where: its file and line, for messages.
        metadata: the JSON object of that field; it names the method of functional problems.
        has_hidden: whether the field of the hidden tests is filled.
        hidden_digest: stands for the hidden tests where a problem is compared.
    """

    where: str
    question_id: str
    content: str
    starter_code: str
    date: date | None
    metadata: dict[str, Any]
    public: tuple[Case, ...]
    hidden: Callable[[], tuple[Case, ...]]
    has_hidden: bool
    hidden_digest: str


@dataclass(frozen=True, slots=True)
class RowFile:
    """All rows; the SHA-256 of the file's bytes, of all digests where there are several."""

    rows: tuple[Row, ...]
    digest: str


def read_rows(path: Path | None) -> RowFile:
    """Read a .jsonl, .jsonl.gz or .json file, all .jsonl files of a folder, or the hub's release 6.

    Raises:
        SuiteError: nothing there, not JSON, another schema, a question twice.
    """
    files = _files(path) if path is not None else _download()
    digests: list[str] = []
    rows = [
        (where, _row(where, value, again))
        for file in files
        for where, value, again in _values(file, digests)
    ]
    require_unique(path or _HUB_NAME, ((where, row.question_id) for where, row in rows))
    together = hashlib.sha256("".join(digests).encode()).hexdigest()
    digest = digests[0] if len(digests) == 1 else together
    return RowFile(tuple(row for _, row in rows), digest)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    with reading(path):
        files = sorted(p for p in path.iterdir() if p.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise SuiteError(f"{path} has no .jsonl or .jsonl.gz file: give LiveCodeBench's files")
    return files


def _download() -> list[Path]:
    with downloading(_HUB_NAME):
        from huggingface_hub import hf_hub_download

        return [Path(hf_hub_download(_HUB_NAME, name, repo_type="dataset")) for name in _HUB_FILES]


# Where a row is, its value, and what reads the value again.
_Found = tuple[str, Any, Callable[[], Any]]


def _values(path: Path, digests: list[str]) -> Iterator[_Found]:
    if path.suffix == ".jsonl":
        yield from _lines_of_file(path, digests)
        return
    data, digest = read_bytes(path)
    digests.append(digest)
    if path.suffix == ".json":
        yield from _items(path, parse_json(str(path), data))
        return
    for where, line in numbered(path, data.split(b"\n")):
        value = parse_json(where, line)
        yield where, value, partial(_same, value)


def _lines_of_file(path: Path, digests: list[str]) -> Iterator[_Found]:
    digest = hashlib.sha256()
    end = 0

    def lines(file: BinaryIO) -> Iterator[bytes]:
        nonlocal end
        for line in file:
            digest.update(line)
            end += len(line)
            yield line

    with reading(path), path.open("rb") as file:
        for where, line in numbered(path, lines(file)):
            start = end - len(line)
            again = partial(_read_again, path, start, len(line), where)
            yield where, parse_json(where, line), again
    digests.append(digest.hexdigest())


def _read_again(path: Path, start: int, size: int, where: str) -> Any:
    with path.open("rb") as file:
        file.seek(start)
        return parse_json(where, file.read(size))


def _items(path: Path, value: Any) -> Iterator[_Found]:
    items = value.get("rows") if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise SuiteError(
            f"{path}: neither a list of questions nor an object with a list 'rows': give "
            "LiveCodeBench's file"
        )
    for number, item in enumerate(items, start=1):
        # The hub's viewer wraps each row.
        item = item.get("row", item) if isinstance(item, dict) else item
        yield f"{path}, item {number}", item, partial(_same, item)


def _same(value: Any) -> Any:
    return value


def _row(where: str, value: Any, again: Callable[[], Any]) -> Row:
    require_texts(where, value, _TEXT_FIELDS, "LiveCodeBench")
    key = value["question_id"]
    secret = value.get("private_test_cases") or "[]"
    require_texts(where, {"private_test_cases": secret}, ["private_test_cases"], "LiveCodeBench")
    return Row(
        where=where,
        question_id=key,
        content=value["question_content"],
        starter_code=value["starter_code"],
        date=contest_date(where, value.get("contest_date")),
        metadata=_metadata(where, value.get("metadata") or "{}"),
        public=_cases(f"{where}, public tests", parse_json(where, value["public_test_cases"])),
        hidden=partial(_hidden, where, key, again),
        has_hidden=secret != "[]",
        hidden_digest=hashlib.sha256(secret.encode()).hexdigest(),
    )


def _hidden(where: str, key: str, again: Callable[[], Any]) -> tuple[Case, ...]:
    try:
        tests = decode_hidden(again().get("private_test_cases") or "[]")
    except HiddenTestsError as error:
        raise SuiteError(
            f"{where}: the hidden tests of {key} are refused: {error}: get the file again from "
            "where it was published"
        ) from error
    return _cases(f"{where}, hidden tests", tests)


def _metadata(where: str, value: Any) -> dict[str, Any]:
    found = parse_json(where, value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise SuiteError(f"{where}: metadata is a {type(found).__name__}, not an object")
    return found


def _cases(where: str, tests: Any) -> tuple[Case, ...]:
    try:
        return tuple(_case(test) for test in tests)
    except (LookupError, TypeError, ValueError) as error:
        raise SuiteError(
            f"{where}: not a list of tests with input, output and testtype ({error!r}): give the "
            "published file"
        ) from error


def _case(test: Any) -> Case:
    given, expected, kind = test["input"], test["output"], test["testtype"]
    if kind not in ("stdin", "functional"):
        raise ValueError(f"testtype is {kind!r:.80}")
    if not isinstance(given, str) or not isinstance(expected, str):
        raise TypeError("input and output are texts")
    return Case(given, expected, kind)


Value = Callable[[str, Case], Any]
"""Reads one side of a test as a Python value; the place is for messages."""


class Column(Sequence[Any]):
    """One side of a row's hidden tests as Python values, read whenever it is asked for."""

    def __init__(self, row: Row, value: Value) -> None:
        """Remember how; nothing is read."""
        self._row = row
        self._value = value

    def __iter__(self) -> Iterator[Any]:
        """Read the tests once.

        Raises:
            SuiteError: they are not tests of this kind.
        """
        for case in self._row.hidden():
            yield self._value(self._row.where, case)

    def __len__(self) -> int:
        """Read and count."""
        return len(self._row.hidden())

    def __getitem__(self, index: Any) -> Any:
        """Read and pick."""
        return list(self)[index]

    def __repr__(self) -> str:
        """Return what is equal for equal tests; a run's address is made of it."""
        return f"Column({self._row.question_id}, {self._row.hidden_digest})"
