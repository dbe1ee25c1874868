"""Whether decoded outputs are the data that a user's file states: as JSON, or as rows of a table.

JSON has no tuples and no keys but texts, so a tuple counts as a list and a key as JSON writes it.
Numbers are compared by value; where one of the two is a float, within a tolerance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.evaluator.values import bare
from benchmarks.sandbox.worker.codec import Array

RELATIVE_TOLERANCE = 1e-7
ABSOLUTE_TOLERANCE = 1e-6
"""EvalPlus's own, for floats."""


def same_data(got: Any, wanted: Any, atol: float = ABSOLUTE_TOLERANCE) -> bool:
    """Whether an output is the JSON value that is expected."""
    got = _as_json(got)
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return _same_number(got, wanted, atol)
    if isinstance(got, list) and isinstance(wanted, list):
        return _same_items(got, wanted, atol)
    if isinstance(got, dict) and isinstance(wanted, dict):
        named = {_key(key): value for key, value in got.items()}
        return named.keys() == wanted.keys() == {_key(key) for key in got} and (
            len(named) == len(got)
            and all(same_data(named[key], value, atol) for key, value in wanted.items())
        )
    return type(got) is type(wanted) and bool(got == wanted)


def same_rows(got: Any, wanted: Any, atol: float, *, ordered: bool) -> bool:
    """Whether a query's rows are those that are expected, in order where that counts."""
    if not ordered:
        got, wanted = sorted(got, key=_row_key), sorted(wanted, key=_row_key)
    return same_data(got, wanted, atol)


def _as_json(value: Any) -> Any:
    value = bare(value)
    if isinstance(value, Array):
        return _nested(value.items, value.shape or ())
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bool | int | float | str):
        return value
    return value.item() if hasattr(value, "dtype") else value


def _nested(items: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """Return an array's elements as lists in lists, as its `tolist` has them."""
    if len(shape) < 2:
        return list(items)
    step = len(items) // shape[0] if shape[0] else 0
    return [_nested(items[n * step : (n + 1) * step], shape[1:]) for n in range(shape[0])]


def _same_items(got: Sequence[Any], wanted: Sequence[Any], atol: float) -> bool:
    return len(got) == len(wanted) and all(
        same_data(one, other, atol) for one, other in zip(got, wanted, strict=True)
    )


def _same_number(got: float, wanted: float, atol: float) -> bool:
    if got == wanted or (isinstance(got, int) and isinstance(wanted, int)):
        return got == wanted
    return abs(got - wanted) <= atol + RELATIVE_TOLERANCE * abs(wanted)


def _key(key: Any) -> str:
    """Return a key as JSON writes it."""
    key = _as_json(key)
    return key if isinstance(key, str) else json.dumps(key)


def _row_key(row: Sequence[Any]) -> list[tuple[int, Any]]:
    return [_cell_key(cell) for cell in row]


def _cell_key(cell: Any) -> tuple[int, Any]:
    """Return what orders cells of different types; equal numbers have equal keys."""
    if cell is None:
        return (0, 0)
    if isinstance(cell, int | float):
        return (1, round(cell, 6))
    return (2, cell) if isinstance(cell, str) else (3, cell)
