"""The one reader of users' and published files: JSON lines or JSON, plain or gzip.

Whatever a file holds, it is read or refused in one line with the file, the line's number and what
to do. A byte order mark, blank lines and carriage returns do not count.
"""

from __future__ import annotations

import ast
import codecs
import functools
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError
from domino.text import load_json, storable

MAX_DEPTH = 200
"""Lists and objects inside one another: what works on values may need a few calls for each."""


@contextmanager
def downloading(what: str, remedy: str = "name a file with dataset") -> Iterator[None]:
    """Turn whatever a library raises while it fetches `what` into one line.

    Raises:
        SuiteError: it could not be got.
    """
    try:
        yield
    except Exception as error:  # the libraries promise no kinds of their own
        raise SuiteError(
            f"{what} could not be got ({type(error).__name__}: {error}): check the network, or "
            f"{remedy}"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever reading a file may raise into one line.

    Raises:
        SuiteError: it cannot be read.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, SuiteError):
            raise
        raise SuiteError(
            f"data cannot be read from {path}: {getattr(error, 'strerror', None) or error}: give "
            "the complete file, as it is or as .gz"
        ) from error


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return a file's content, unpacked where its name ends in .gz, and the SHA-256 of its bytes.

    Raises:
        SuiteError: it cannot be read.
    """
    with reading(path):
        data = path.read_bytes()
        content = gzip.decompress(data) if path.suffix == ".gz" else data
    return content, hashlib.sha256(data).hexdigest()


def numbered(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield every line that is not blank with its place, for messages."""
    for number, line in enumerate(lines, start=1):
        if line.strip(codecs.BOM_UTF8 + b" \t\r\n"):
            yield f"{path}, line {number}", line


def read_json_lines(path: Path) -> tuple[list[tuple[str, Any]], str]:
    """Return every line's place and value, and the SHA-256 of the file's bytes.

    Raises:
        SuiteError: it cannot be read, or a line is not JSON.
    """
    data, digest = read_bytes(path)
    lines = numbered(path, data.split(b"\n"))
    return [(where, parse_json(where, line)) for where, line in lines], digest


def read_json(path: Path) -> Any:
    """Return the value of a file that is a single JSON document.

    Raises:
        SuiteError: it cannot be read, or is not JSON.
    """
    return parse_json(str(path), read_bytes(path)[0])


def decode(where: str, data: bytes) -> str:
    """Return UTF-8 as text, without the mark that some editors begin a file with.

    Raises:
        SuiteError: it is not UTF-8.
    """
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(
            f"{where}: byte {error.start} is not UTF-8: convert the file to UTF-8"
        ) from error


def parse_json(where: str, text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        SuiteError: it is not JSON, or holds what no program could work on.
    """
    text = decode(where, text) if isinstance(text, bytes) else text
    try:
        value = load_json(text)
    except ValueError as error:
        raise SuiteError(
            f"{where}: not JSON ({error}): correct it or get the file again"
        ) from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise SuiteError(
            f"{where}: lists or objects {MAX_DEPTH} deep: correct it or get the file again"
        )
    return value


def parse_strictly(where: str, text: str | bytes) -> Any:
    """Return the value of JSON text as the standard has it: no key twice, no NaN, no infinity.

    Raises:
        SuiteError: it is not such text.
    """
    value = parse_json(where, text)
    json.loads(
        decode(where, text) if isinstance(text, bytes) else text.removeprefix("\ufeff"),
        object_pairs_hook=functools.partial(_unique_keys, where),
        parse_constant=functools.partial(_finite, where),
        parse_float=functools.partial(_finite, where),
    )
    return value


def _unique_keys(where: str, pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SuiteError(f"{where}: the field {twice!r} is given twice: remove one of them")


def _finite(where: str, number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise SuiteError(f"{where}: {number:.40} is not a finite number: give one, or null")
    return value


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            item
            for whole in level
            if isinstance(whole, list | dict)
            for item in (whole.values() if isinstance(whole, dict) else whole)
        ]
    return bool(level)


def require_texts(where: str, row: Any, names: Sequence[str], schema: str) -> None:
    """Refuse what is not a row, or lacks one of the texts that a row has.

    Raises:
        SuiteError: it is not a row of `schema`, or a text cannot be stored.
    """
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: a {type(row).__name__}, not a row of {schema}")
    for name in names:
        if name not in row:
            raise SuiteError(
                f"{where}: no field {name!r}: this is not {schema}'s schema (fields are "
                f"{sorted(row)[:8]})"
            )
        if not isinstance(row[name], str):
            raise SuiteError(
                f"{where}: {name} is a {type(row[name]).__name__}, not a text: give {schema}'s file"
            )
        require_storable(where, name, row[name])


def require_storable(where: str, name: str, text: str) -> None:
    """Refuse a text that holds half of a surrogate pair, which no file could hold.

    Raises:
        SuiteError: there is one.
    """
    if storable(text) != text:
        raise SuiteError(
            f"{where}: {name} holds half of a surrogate pair (\\ud800 to \\udfff), which is not a "
            "character: remove it"
        )


def parse_python(where: str, name: str, text: str) -> ast.Module:
    """Return the syntax tree of a field that is Python.

    Raises:
        SuiteError: it does not parse.
    """
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SuiteError(
            f"{where}: {name} is not Python ({error}): give the published file"
        ) from error


def require_unique(source: object, ids: Iterable[tuple[str, str]]) -> None:
    """Refuse a data set without rows, or whose ids, given with their places, repeat.

    Raises:
        SuiteError: it is such a data set.
    """
    seen: dict[str, str] = {}
    for where, key in ids:
        if key in seen:
            raise SuiteError(
                f"{where}: {key} is there twice, first in {seen[key]}: remove one of them"
            )
        seen[key] = where
    if not seen:
        raise SuiteError(f"the data set {source} is empty: give the published file")
