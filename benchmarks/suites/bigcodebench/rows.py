"""BigCodeBench's rows as problems, from its own files or through its package."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.evaluator.stated import StatedProblem
from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import (
    decode,
    downloading,
    parse_python,
    read_bytes,
    read_json_lines,
    require_texts,
    require_unique,
)

Subset = Literal["full", "hard"]
Row = dict[str, str]
Task = tuple[str, Row]
"""Where a row is, and the row."""
CASES = "TestCases"
_TOGETHER = re.compile(
    r"mock|patch|Mock|plt|matplotlib|Axes|Figure|axes|\bax\b|stdout|stderr|StringIO|redirect|"
    r"assertLogs|assertWarns|warnings|environ|pickle|joblib|dill|subprocess|importlib|inspect|"
    r"task_func\.|threading|signal|\bsys\.|shelve|runpy|marshal|popen|allow_pickle|torch\.load|"
    r"yaml\.load|load_model|\bexec\(|\beval\("
)
_DRAWING = frozenset({"matplotlib", "seaborn", "wordcloud"})
_TOGETHER_TASKS = frozenset(
    Path(__file__).with_name("together.txt").read_text(encoding="utf-8").split()
)
CALL_TIMEOUT_S = 240.0
"""Seconds for all tests of a task: BigCodeBench's own least limit."""
_TEXT_FIELDS = (
    *("task_id", "complete_prompt", "instruct_prompt", "canonical_solution", "code_prompt"),
    *("test", "entry_point", "libs"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFile:
    """All tasks, the modules that each imports beyond Python's own, and the file's digest.

    `strata` names the rarest library of each task, by which splits are stratified.
    """

    problems: tuple[StatedProblem, ...]
    modules: dict[str, frozenset[str]]
    strata: dict[str, str]
    digest: str


def read_tasks(path: Path | None, subset: Subset, task_ids: Path | None) -> TaskFile:
    """Read BigCodeBench's file, or ask its package; `task_ids` names the tasks to be taken.

    Raises:
        SuiteError: it cannot be read, has another schema, or lacks a named task.
    """
    rows, digest = _package_rows(subset) if path is None else read_json_lines(path)
    for where, row in rows:
        require_texts(where, row, _TEXT_FIELDS, "BigCodeBench")
    require_unique(path or "bigcodebench", ((where, row["task_id"]) for where, row in rows))
    tasks = _taken({row["task_id"]: (where, row) for where, row in rows}, task_ids)
    named = {key: libraries(where, row["libs"]) for key, (where, row) in tasks.items()}
    counts = Counter(name for names in named.values() for name in names)
    token = secrets.token_hex(16)
    return TaskFile(
        problems=tuple(_problem(*task, named[key], token) for key, task in tasks.items()),
        modules={key: _modules(*task) for key, task in tasks.items()},
        strata={
            key: min(names, key=lambda name: (counts[name], name), default="")
            for key, names in named.items()
        },
        digest=digest,
    )


def libraries(where: str, text: str) -> list[str]:
    """Return the names in the field `libs`, a text that holds a Python list."""
    try:
        return [str(name) for name in ast.literal_eval(text)]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise SuiteError(f"{where}: libs is {text[:80]!r}, which is not a list: {error}") from error


def _package_rows(subset: Subset) -> tuple[list[tuple[str, Any]], str]:
    try:
        from bigcodebench.data import get_bigcodebench
    except ImportError as error:
        raise SuiteError(
            f"BigCodeBench's package is not there ({error}): name a file with dataset, or "
            "pip install --no-deps bigcodebench==0.2.5"
        ) from error
    with downloading("bigcodebench's data set"):
        rows = get_bigcodebench(subset=subset)
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    return [(f"bigcodebench, {key}", row) for key, row in rows.items()], digest


def _taken(tasks: dict[str, Task], task_ids: Path | None) -> dict[str, Task]:
    if task_ids is None:
        return tasks
    wanted = decode(str(task_ids), read_bytes(task_ids)[0]).split()
    missing = [key for key in wanted if key not in tasks]
    if missing or not wanted:
        raise SuiteError(
            f"{task_ids} names {len(wanted)} tasks, {len(missing)} of which are not in the data "
            f"set{f', the first is {missing[0]!r}' if missing else ''}: give BigCodeBench's ids"
        )
    return {key: tasks[key] for key in dict.fromkeys(wanted)}


def _problem(where: str, row: Row, names: Sequence[str], token: str) -> StatedProblem:
    tests = _test_names(where, row)
    return StatedProblem(
        id=row["task_id"],
        prompt=row["complete_prompt"],
        entry_point=row["entry_point"],
        canonical_solution=row["canonical_solution"],
        base_inputs=Challenge(tests, [token]),
        base_outputs=Challenge(tests, {**dict.fromkeys(tests, "ok"), "": token}),
        plus_inputs=[],
        plus_outputs=[],
        call_timeout_s=CALL_TIMEOUT_S,
        meta={
            "comparison": "value",
            "runner": "unittests",
            "test": row["test"],
            "apart": "yes" if runs_apart(row["task_id"], names, row["test"]) else "",
            "calibration": f"{row['code_prompt']}\n    pass\n",
            "instruct_prompt": row["instruct_prompt"],
            "libraries": ", ".join(names),
        },
    )


def runs_apart(task_id: str, names: Sequence[str], test: str) -> bool:
    """Whether a task's tests and function can run in two processes.

    Not where a test replaces or looks at what only the function's own process has: parts of the
    program, figures, streams, warnings, other modules' state. `together.txt` names those of which
    only a trial shows it.
    """
    seen = needs_the_program(test) or _DRAWING.intersection(names)
    return not seen and task_id not in _TOGETHER_TASKS


def needs_the_program(test: str) -> bool:
    """Whether tests look at what only the program's own process has."""
    return _TOGETHER.search(test) is not None


def _test_names(where: str, row: Row) -> tuple[str, ...]:
    methods = (
        method.name
        for node in parse_python(where, "test", row["test"]).body
        if isinstance(node, ast.ClassDef) and node.name == CASES
        for method in node.body
        if isinstance(method, ast.FunctionDef)
    )
    names = tuple(sorted({name for name in methods if name.startswith("test")}))
    if not names:
        raise SuiteError(f"{where}: no test in a class {CASES}: give the published file")
    return names


def _modules(where: str, row: Row) -> frozenset[str]:
    found: set[str] = set()
    solution = row["complete_prompt"] + row["canonical_solution"]
    for name, text in (("complete_prompt with its solution", solution), ("test", row["test"])):
        for node in ast.walk(parse_python(where, name, text)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return frozenset(found - sys.stdlib_module_names)


class Challenge(Sequence[Any]):
    """One input or output with a token that nobody can know before; equal for equal tests."""

    def __init__(self, tests: tuple[str, ...], value: Any) -> None:
        """Hold the value."""
        self._tests = tests
        self._value = value

    def __iter__(self) -> Iterator[Any]:
        """Yield the one value."""
        yield self._value

    def __len__(self) -> int:
        """There is one."""
        return 1

    def __getitem__(self, index: Any) -> Any:
        """Return it."""
        return [self._value][index]

    def __repr__(self) -> str:
        """Return what does not depend on the token; a run's address is made of it."""
        return f"Challenge({self._tests})"
