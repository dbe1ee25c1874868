"""Checks of single fields of a row; each refuses in one line that names place, field and remedy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.fields import closest
from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import require_storable

MAX_CHARACTERS = 200_000
"""A longer text is a mistake: no model is asked with it."""


def text_of(where: str, row: Mapping[str, Any], name: str, *, may_be_blank: bool = False) -> str:
    """Return a text field.

    Raises:
        SuiteError: it is missing, no text, blank, too long, or cannot be stored.
    """
    if name not in row:
        raise SuiteError(f"{where}: no field {name!r}: every row needs one")
    value = row[name]
    if not isinstance(value, str):
        raise SuiteError(f"{where}: {name} is a {type(value).__name__}: give a text")
    if not value.strip() and not may_be_blank:
        raise SuiteError(f"{where}: {name} is empty: fill it in, or remove the row")
    if len(value) > MAX_CHARACTERS:
        raise SuiteError(
            f"{where}: {name} has {len(value)} characters, at most {MAX_CHARACTERS} are taken"
        )
    require_storable(where, name, value)
    return value


def optional_text(where: str, row: Mapping[str, Any], name: str) -> str:
    """Return a text field, "" where it is missing."""
    return text_of(where, row, name) if name in row else ""


def id_of(where: str, row: Mapping[str, Any], name: str) -> str:
    """Return an id as text.

    Raises:
        SuiteError: it is missing, or neither a text nor a whole number.
    """
    if name not in row:
        raise SuiteError(f"{where}: no field {name!r}: give every row an id of its own")
    key = row[name]
    if isinstance(key, bool) or not isinstance(key, str | int) or not str(key).strip():
        raise SuiteError(f"{where}: {name} is {key!r:.80}: give a text or a whole number")
    require_storable(where, name, str(key))
    return str(key).strip()


def number_of(
    where: str, row: Mapping[str, Any], name: str, default: float, *, most: float = math.inf
) -> float:
    """Return a number field of at least 0.

    Raises:
        SuiteError: it is none.
    """
    value = row.get(name, default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= most or value == math.inf:
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise SuiteError(f"{where}: {name} is {value!r:.80}: give a number of at least 0{limit}")
    return float(value)


def truth_of(where: str, row: Mapping[str, Any], name: str) -> bool | None:
    """Return a field that is true or false, None where it is missing.

    Raises:
        SuiteError: it is something else.
    """
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise SuiteError(f"{where}: {name} is {value!r:.80}: give true or false")
    return value


def objects_of(
    where: str, row: Mapping[str, Any], name: str, fields: Sequence[str], optional: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a field that is a list of objects with these fields.

    Raises:
        SuiteError: it is something else, or empty.
    """
    items = row[name]
    if not isinstance(items, list) or not items:
        raise SuiteError(f"{where}: {name} is not a list, or is empty: give at least one object")
    for number, item in enumerate(items, start=1):
        place = f"{where}, {name} {number}"
        if not isinstance(item, dict):
            raise SuiteError(f"{place}: a {type(item).__name__}, not an object")
        known = (*fields, *optional)
        unknown = next((key for key in item if key not in known), None)
        if unknown is not None:
            raise SuiteError(
                f"{place}: unknown field {unknown!r}{closest(str(unknown), known)}: known are "
                f"{', '.join(known)}"
            )
        missing = next((key for key in fields if key not in item), None)
        if missing is not None:
            raise SuiteError(f"{place}: no field {missing!r}")
    return items


def require_data(where: str, name: str, value: Any) -> None:
    """Refuse a JSON value with a text that cannot be stored.

    Raises:
        SuiteError: there is one.
    """
    if not json.dumps(value, ensure_ascii=False).isprintable():
        for text in _texts(value):
            require_storable(where, name, text)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []
