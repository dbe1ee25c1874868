"""Damaged files of every kind: they are read, or refused by the reader's own error in one line."""

import gzip
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites.base import SuiteError
from tests.benchmarks.reading_files import LINES, WHOLE, lines

SECONDS = 0.6
"""For each kind of file."""
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, float("nan"), float("inf"), 10**400),
    *("", "a", "\ud83d", "\x00", "[", "5", '"a"', "null", "[[[", "  ", "\u2028", "\r\n"),
    *("2024-01-01", "Mbpp/2", "9" * 5000, "(" * 300, "def f(:"),
    *([], [None], [[]], [[[]]], ["a"], {}, {"a": None}),
)
BYTES = (
    *(b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\\ud83d"),
    *(b"\n", b"\r", b" ", b",", b"{", b"}", b'"', b"[" * 2000, b"9" * 5000, b"NaN", b"1e999"),
)


def with_a_value_changed(value: Any, chance: random.Random) -> Any:
    """Return a copy in which one value, at any depth, is another one or is gone."""
    if chance.random() < 0.3 or not isinstance(value, dict | list) or not value:
        return chance.choice(VALUES)
    changed: Any = value.copy()
    place = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if chance.random() < 0.2:
        del changed[place]
    else:
        changed[place] = with_a_value_changed(value[place], chance)
    return changed


def with_bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Return a copy in which some places have other bytes, or none."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        length = chance.choice((0, 0, 1, 5, 100, len(data)))
        data = data[:start] + chance.choice((b"", *BYTES)) + data[start + length :]
    return data


def try_all(
    folder: Path, value: Any, write: Callable[[Any], bytes], read: Callable[[Path], Any], name: str
) -> None:
    chance = random.Random(name)
    ends = time.monotonic() + SECONDS
    refused = 0
    while time.monotonic() < ends:
        path = folder / f"file{chance.choice(('.jsonl', '.jsonl.gz', '.json', '.json.gz'))}"
        data = write(value)
        if chance.random() < 0.7:
            data = write(with_a_value_changed(value, chance))
        if chance.random() < 0.5:
            data = with_bytes_changed(data, chance)
        packed = gzip.compress(data) if path.suffix == ".gz" else data
        if chance.random() < 0.1:
            packed = with_bytes_changed(packed, chance)
        path.write_bytes(packed)
        try:
            read(path)
        except SuiteError as error:
            refused += 1
            assert "\n" not in str(error), data
            str(error).encode()
        except Exception as error:
            error.add_note(f"the file: {data!r:.3000}")
            raise
    assert refused


@pytest.mark.parametrize("name", LINES)
def test_damaged_lines_are_read_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    try_all(tmp_path, LINES[name].rows, lines, LINES[name].read, name)


@pytest.mark.parametrize("name", WHOLE)
def test_damaged_values_are_read_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    value, read = WHOLE[name]
    try_all(tmp_path, value, lambda given: json.dumps(given).encode(), read, name)
