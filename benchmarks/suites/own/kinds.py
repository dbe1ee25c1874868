"""The kinds of problems that a user's file may hold, told by the fields of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import closest
from benchmarks.suites.base import SuiteError

COMMON = ("id", "prompt", "split", "group", "canonical_solution", "references")


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of problem.

    Attributes:
        name: what it is called in messages and tables.
        required: the fields, beyond id and prompt, that a row needs.
        optional: those that it may have.
        ignored: those that published files have and nothing reads.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields of a row that are read."""
        return (*COMMON, *self.required, *self.optional)


FUNCTION = Kind(
    name="function with cases",
    required=("entry_point", "cases"),
    optional=("atol", "timeout_s"),
)
EVALPLUS = Kind(
    name="EvalPlus's fields",
    required=("entry_point", "canonical_solution", "base_input"),
    optional=("plus_input", "atol", "task_id"),
    ignored=("contract", "assertion", "test"),
)
SCRIPT = Kind(name="program on standard input", required=("cases",), optional=("timeout_s",))
TESTS = Kind(
    name="tests", required=("test",), optional=("entry_point", "apart", "timeout_s", "task_id")
)
SQL = Kind(
    name="SQL query",
    required=("setup_sql", "expected_rows"),
    optional=("ordered", "atol", "timeout_s"),
)
TARGET = Kind(name="target", required=("target", "scorer"), optional=("scorer_options",))
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "function": FUNCTION,
        "evalplus": EVALPLUS,
        "script": SCRIPT,
        "tests": TESTS,
        "sql": SQL,
        "target": TARGET,
    }
)
_ALL = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.fields))
_FORMS = (
    "entry_point with cases of args and expected; cases of stdin and stdout; test; setup_sql with "
    "expected_rows; target with scorer"
)


def kind_of(where: str, row: Mapping[str, Any]) -> Kind:
    """Return the kind of a row.

    Raises:
        SuiteError: its fields are those of no kind, or it lacks one, or has one too many.
    """
    kind = _told(row)
    unknown = [name for name in row if name not in (kind.fields + kind.ignored if kind else _ALL)]
    if unknown:
        known = kind.fields if kind else _ALL
        what = f"a problem of the kind {kind.name!r}" if kind else "a problem"
        raise SuiteError(
            f"{where}: unknown field {unknown[0]!r}{closest(unknown[0], known)}: {what} has "
            f"{', '.join(known)}"
        )
    if kind is None:
        raise SuiteError(f"{where}: no kind of problem has these fields: give one of {_FORMS}")
    for name in kind.required:
        if name not in row:
            raise SuiteError(
                f"{where}: no field {name!r}, which a problem of the kind {kind.name!r} needs"
            )
    return kind


def _told(row: Mapping[str, Any]) -> Kind | None:
    if "base_input" in row or "plus_input" in row:
        return EVALPLUS
    if "setup_sql" in row or "expected_rows" in row:
        return SQL
    if "target" in row or "scorer" in row:
        return TARGET
    if "cases" in row:
        cases = row["cases"]
        first = cases[0] if isinstance(cases, list) and cases else None
        streams = isinstance(first, dict) and ("stdin" in first or "stdout" in first)
        return SCRIPT if streams and "entry_point" not in row else FUNCTION
    return TESTS if "test" in row else None


_TELLING = frozenset(
    {"cases", "test", "setup_sql", "expected_rows", "target", "scorer", "base_input", "plus_input"}
)
_OF_EXAMPLES = frozenset({"instruction", "messages", "conversations"})


def may_be_problem(row: Mapping[str, Any]) -> bool:
    """Whether a row has a field that problems have, and none that examples have."""
    return bool(_TELLING & row.keys()) and not _OF_EXAMPLES & row.keys()
