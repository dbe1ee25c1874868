"""Reads published data files: JSON lines, plain or gzip."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError


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


def parse_json(where: str, text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        SuiteError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise SuiteError(f"{where}: not JSON ({error})") from error
