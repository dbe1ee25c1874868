"""MBPP's own rows: references from its train split, development problems from its validation."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.code_text import parses
from benchmarks.suites.reading import downloading
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


def read_rows(path: Path | None) -> tuple[MbppRow, ...]:
    """Read mbpp.jsonl, or without a path the train and validation splits on the hub.

    Raises:
        SuiteError: it cannot be read, or has another schema.
    """
    if path is None:
        return _hub_rows()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"MBPP cannot be read from {path}: {error}: give mbpp.jsonl") from error
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_row(json.loads(line)))
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise SuiteError(
                    f"{path}, line {number}: not a row of MBPP's ({type(error).__name__}: {error})"
                ) from error
    return tuple(rows)


def _hub_rows() -> tuple[MbppRow, ...]:
    with downloading(_HUB_NAME, "name mbpp.jsonl with references_path"):
        import datasets

        splits = [
            datasets.load_dataset(_HUB_NAME, "full", split=s) for s in ("train", "validation")
        ]
        return tuple(_row(row) for split in splits for row in split)


def _row(row: Any) -> MbppRow:
    tests = tuple(map(str, row["test_list"]))
    if not tests:
        raise ValueError("test_list is empty")
    return MbppRow(
        task_id=int(row["task_id"]),
        text=str(row["text"]),
        code=str(row["code"]).replace("\r\n", "\n"),
        setup=str(row.get("test_setup_code") or "").replace("\r\n", "\n"),
        tests=tests,
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
    """Return the validation tasks that are no test problems and whose tests are plain calls."""
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
