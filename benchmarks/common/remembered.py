"""Caches values that are slow to compute, in the run directory, until their inputs change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.common.files import write_atomically
from domino.text import load_json

_T = TypeVar("_T")


def remembered(path: Path, key: str, state: Any, compute: Callable[[], _T]) -> _T:
    """Return what `compute` gave for `key` when its state was this one, else compute it now.

    Args:
        path: a JSON file; it may be missing or damaged.
        key: what is asked for.
        state: plain JSON data that changes whenever the answer may.
        compute: gives the answer, plain JSON data as well.

    Raises:
        StoreError: the file cannot be written.
    """
    known = _read(path)
    entry = known.get(key)
    if isinstance(entry, dict) and entry.get("state") == state and "value" in entry:
        value: _T = entry["value"]
        return value
    value = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({**known, key: {"state": state, "value": value}}, indent=1))
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        values = load_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
