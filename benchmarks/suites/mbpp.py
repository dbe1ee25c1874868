"""MBPP's own rows: references from its train split, development problems from its validation."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.code_text import parses
from benchmarks.suites.examples import is_example
from benchmarks.suites.reading import (
    downloading,
    read_json_lines,
    require_texts,
    require_unique,
)
from benchmarks.suites.tables import read_table
from domino.records import Problem, Reference

# By task_id, as MBPP's authors split it: 1-10 prompts, 11-510 test, then these.
_VALIDATION = range(511, 601)
_TRAIN = range(601, 975)
_HUB_NAME = "google-research-datasets/mbpp"


@dataclass(frozen=True, slots=True)
class MbppRow:
    """One task: its text, its solution and its tests (`assert` statements)."""

    task_id: int
    text: str
    code: str
    setup: str
    tests: tuple[str, ...]

    @property
    def instruction(self) -> str:
        """The text with the first test, in the shape of MBPP+'s prompts."""
        return f"{self.text.strip()}\n{self.tests[0].strip()}"


def is_own_file(path: Path) -> bool:
    """Whether a file's first row has MBPP's fields rather than an example's.

    Raises:
        SuiteError: it cannot be read.
    """
    table = read_table(path)
    return bool(table.rows) and not is_example(table.rows[0].values)


def read_rows(path: Path | None) -> tuple[MbppRow, ...]:
    """Read mbpp.jsonl, or without a path the train and validation splits on the hub.

    Raises:
        SuiteError: it cannot be read, or has another schema.
    """
    found = _hub_rows() if path is None else read_json_lines(path)[0]
    rows = tuple(_row(where, row) for where, row in found)
    ids = ((where, str(row.task_id)) for (where, _), row in zip(found, rows, strict=True))
    require_unique(path or _HUB_NAME, ids)
    return rows


def _hub_rows() -> list[tuple[str, Any]]:
    with downloading(_HUB_NAME, "name mbpp.jsonl with references_path"):
        import datasets

        splits = [
            datasets.load_dataset(_HUB_NAME, "full", split=s) for s in ("train", "validation")
        ]
        return [(_HUB_NAME, row) for split in splits for row in split]


def _row(where: str, row: Any) -> MbppRow:
    require_texts(where, row, ("text", "code"), "MBPP")
    key, tests, setup = row.get("task_id"), row.get("test_list"), row.get("test_setup_code") or ""
    if type(key) is not int or not isinstance(tests, list) or not tests:
        raise SuiteError(
            f"{where}: not a row of MBPP: task_id is a number and test_list a list of tests"
        )
    for text in (*tests, setup):
        require_texts(where, {"test": text}, ["test"], "MBPP")
    return MbppRow(
        task_id=key,
        text=row["text"],
        code=row["code"].replace("\r\n", "\n"),
        setup=setup.replace("\r\n", "\n"),
        tests=tuple(tests),
    )


def references(
    rows: Sequence[MbppRow], test_ids: Collection[str], *, responses: bool
) -> tuple[Reference, ...]:
    """Return the train split as references, without the tasks that are test problems.

    MBPP+ draws on all of MBPP's splits, so that part of the train split is in it.
    """
    return tuple(
        Reference(
            id=f"mbpp-{row.task_id}",
            instruction=row.instruction,
            response=f"```python\n{row.code.strip()}\n```" if responses else None,
        )
        for row in rows
        if row.task_id in _TRAIN and f"Mbpp/{row.task_id}" not in test_ids
    )


def development(rows: Sequence[MbppRow], test_ids: Collection[str]) -> tuple[Problem, ...]:
    """Return the validation tasks that are not test problems and whose tests are plain calls."""
    made = (
        _problem(row)
        for row in rows
        if row.task_id in _VALIDATION and f"Mbpp/{row.task_id}" not in test_ids
    )
    return tuple(problem for problem in made if problem is not None)


def _problem(row: MbppRow) -> Problem | None:
    solution = f"{row.setup}\n{row.code}\n".lstrip("\n")
    if not parses(solution):
        return None
    functions = {
        node.name for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef)
    }
    calls = [_call(test, functions) for test in row.tests]
    found = [call for call in calls if call is not None]
    if len(found) != len(calls) or len({name for name, _ in found}) != 1:
        return None
    return Problem(
        id=f"Mbpp/{row.task_id}",
        prompt=f'"""\n{row.instruction}\n"""\n',
        entry_point=found[0][0],
        canonical_solution=solution,
        base_inputs=[arguments for _, arguments in found],
        plus_inputs=[],
        meta={"comparison": "evalplus", "dataset": "mbpp"},
    )


def _call(test: str, functions: Collection[str]) -> tuple[str, list[Any]] | None:
    """Return the function and literal arguments of a test's one call of a known function."""
    if not parses(test):
        return None
    calls = [
        node
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in functions
    ]
    if len(calls) != 1 or calls[0].keywords:
        return None
    try:
        arguments = [ast.literal_eval(argument) for argument in calls[0].args]
    except (ValueError, TypeError):
        return None
    return ast.unparse(calls[0].func), arguments
