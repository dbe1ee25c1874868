"""References from a user's file, in any of the forms that `examples` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.suites.base import SuiteError
from benchmarks.suites.examples import read_examples
from benchmarks.suites.tables import read_table, refusal
from domino.records import Reference

MAX_CHARACTERS = 20_000


def read_references(
    path: Path,
    *,
    fields: Mapping[str, str] = MappingProxyType({}),
    max_characters: int = MAX_CHARACTERS,
) -> tuple[Reference, ...]:
    """Return the references of a file, in its order.

    Args:
        path: a file of instruction and response, or another form; the response may be missing, and
            so may the id, which then depends on the text alone.
        fields: columns by the names of ours that they stand for.
        max_characters: the longest instruction or response that is taken.

    Raises:
        SuiteError: the file cannot be read, a row is not an example, is empty, twice or too long,
            or there are fewer than two references.
    """
    table = read_table(path, fields)
    examples = read_examples(table, strict=True, max_characters=max_characters)
    if examples.wrong:
        raise refusal(path, examples.wrong)
    if len(examples.found) < 2:
        raise SuiteError(f"{path} has {len(examples.found)} references: give at least 2")
    return examples.found
