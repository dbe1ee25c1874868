"""References from a user's file: one JSON object a line, `instruction` and perhaps `response`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import read_json_lines, require_storable
from domino.records import Reference, stable_id

MAX_CHARACTERS = 20_000
_FIELDS = frozenset({"id", "instruction", "response"})


def read_references(path: Path, *, max_characters: int = MAX_CHARACTERS) -> tuple[Reference, ...]:
    """Return the references of a JSONL file, .gz or not, in its order.

    Args:
        path: file of `{"instruction": ..., "response": ..., "id": ...}` lines; the response may
            be missing, and so may the id, which then depends on the text alone.
        max_characters: the longest instruction or response that is taken.

    Raises:
        SuiteError: the file cannot be read, a line is not such an object, a duplicate, an
            over-long or empty text, or fewer than two references.
    """
    references: list[Reference] = []
    seen: dict[tuple[str | None, ...], str] = {}
    for where, entry in read_json_lines(path)[0]:
        reference = _reference(where, entry, max_characters)
        for key in ((reference.instruction, reference.response), (reference.id,)):
            first = seen.setdefault(key, where)
            if first != where:
                line = first.rpartition(", ")[2]
                raise SuiteError(f"{where}: repeats {line}: remove one of them")
        references.append(reference)
    if len(references) < 2:
        raise SuiteError(f"{path} has {len(references)} references: give at least 2")
    return tuple(references)


def _reference(where: str, entry: Any, max_characters: int) -> Reference:
    if not isinstance(entry, dict):
        raise SuiteError(f"{where}: a {type(entry).__name__}, not an object with 'instruction'")
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise SuiteError(f"{where}: unknown field {unknown[0]!r}: known are {sorted(_FIELDS)}")
    instruction = _text(where, entry, "instruction", max_characters)
    if instruction is None:
        raise SuiteError(f"{where}: no field 'instruction': every reference needs one")
    response = _text(where, entry, "response", max_characters)
    key = entry.get("id", stable_id("reference", instruction, response or ""))
    if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
        raise SuiteError(f"{where}: id is {key!r}: give a text or a number")
    require_storable(where, "id", str(key))
    return Reference(id=str(key), instruction=instruction, response=response)


def _text(where: str, entry: dict[str, Any], name: str, max_characters: int) -> str | None:
    text = entry.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise SuiteError(f"{where}: {name} is a {type(text).__name__}: give a text")
    if not text.strip():
        raise SuiteError(f"{where}: {name} is empty: fill it in, or remove the line")
    require_storable(where, name, text)
    if len(text) > max_characters:
        raise SuiteError(
            f"{where}: {name} has {len(text)} characters, at most {max_characters} are taken"
        )
    return text
