"""Reads published data files: JSON lines, plain or gzip."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError


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


def read_json_lines(path: Path) -> tuple[list[tuple[str, Any]], str]:
    """Return every line's place (for messages) and value, and the SHA-256 of the file's bytes.

    Raises:
        SuiteError: no such file, not gzip, not UTF-8, a line that is not JSON, or no line.
    """
    text, digest = read_text(path)
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            rows.append((where, parse_json(where, line)))
    if not rows:
        raise SuiteError(f"the data set {path} is empty: give the published file")
    return rows, digest


def read_text(path: Path) -> tuple[str, str]:
    """Return a file's text, unpacked where its name ends in .gz, and the SHA-256 of its bytes.

    Raises:
        SuiteError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(
            f"the data set cannot be read from {path}: {reason}: give the published file, as it "
            "is or as .gz"
        ) from error
    return text, hashlib.sha256(data).hexdigest()


def require_texts(where: str, row: Any, names: Sequence[str], schema: str) -> None:
    """Refuse what is no row, or lacks one of the texts that a row has.

    Raises:
        SuiteError: it is not a row of `schema`.
    """
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: a {type(row).__name__}, not a row of {schema}")
    for name in names:
        if not isinstance(row.get(name), str):
            raise SuiteError(
                f"{where}: no text in field {name!r}: this is not {schema}'s schema (fields are "
                f"{sorted(row)[:8]})"
            )


def parse_json(where: str, text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        SuiteError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise SuiteError(f"{where}: not JSON ({error})") from error
