"""Every kind of file that the suites read: good rows, and what reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reproduction.published import _published_passes
from benchmarks.suites import mbpp
from benchmarks.suites.bigcodebench.rows import read_tasks
from benchmarks.suites.evalplus_data import load_problems
from benchmarks.suites.export import about_path, read_about
from benchmarks.suites.reference_file import read_references
from benchmarks.suites.registry import SuiteOptions, load_suite
from benchmarks.suites.samples import read_samples
from domino.records import Problem
from tests.benchmarks.livecodebench_rows import dated, encoded, method_row, script_row
from tests.benchmarks.test_bigcodebench import task
from tests.benchmarks.test_code_execution import crux_row, livecode_row
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, MBPP_OWN_ROWS, MBPP_ROW

Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of file: three good rows, the field of their ids, a field that is a text, a reader."""

    rows: list[Row]
    key: str
    text: str
    read: Callable[[Path], Any]


def _suite(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        suite = load_suite(name, SuiteOptions(dataset=path))
        problems = suite.everything()
        for problem in problems:
            list(problem.plus_inputs)
            suite.instruction(problem)
        return [problem.id for problem in problems]

    return read


def _samples(path: Path) -> Any:
    problems = [
        Problem(id=f"T/{n}", prompt="def f():\n", entry_point="f", canonical_solution="    pass\n",
                base_inputs=[], plus_inputs=[])
        for n in range(3)
    ]  # fmt: skip
    samples = read_samples(path, problems)
    return samples.programs, samples.missing


LINES: dict[str, Kind] = {
    "references": Kind(
        [{"instruction": f"Add {n}.", "response": "x", "id": f"r{n}"} for n in range(3)],
        "id", "instruction", read_references,
    ),
    "humaneval": Kind(
        [{**HUMANEVAL_ROW, "task_id": f"HumanEval/{n}"} for n in range(3)],
        "task_id", "prompt", lambda path: load_problems("humaneval", path).problems,
    ),
    "mbpp": Kind(
        [{**MBPP_ROW, "task_id": f"Mbpp/{n}"} for n in (2, 3, 115)],
        "task_id", "prompt", _suite("mbpp+"),
    ),
    "mbpp-own": Kind(MBPP_OWN_ROWS[:3], "task_id", "code", mbpp.read_rows),
    "livecodebench": Kind(
        [
            dated(script_row(1, private_test_cases=encoded([])), "2024-01-01"),
            dated(method_row(2), "2024-02-01"), dated(script_row(3), "2024-03-01"),
        ],
        "question_id", "question_content", _suite("livecodebench"),
    ),
    "execution": Kind(
        [livecode_row(n) for n in (1, 3, 5)], "id", "code", _suite("livecodebench-execution")
    ),
    "cruxeval": Kind([crux_row(n) for n in range(3)], "id", "code", _suite("cruxeval")),
    "bigcodebench": Kind(
        [task(n) for n in range(3)], "task_id", "test",
        lambda path: read_tasks(path, "full", None).problems,
    ),
    "samples": Kind(
        [{"task_id": f"T/{n}", "solution": "def f(): pass"} for n in range(3)],
        "task_id", "solution", _samples,
    ),
}  # fmt: skip


def _about(path: Path) -> Any:
    about_path(path.with_suffix("")).write_bytes(path.read_bytes())
    return read_about(path.with_suffix(""))


WHOLE: dict[str, tuple[Any, Callable[[Path], Any]]] = {
    "questions": (
        [{"question_id": f"T/{n}", "code_list": ["print(1)"]} for n in range(3)], _samples
    ),
    "livecodebench-list": (LINES["livecodebench"].rows, _suite("livecodebench")),
    "about": (
        {"suite": "mbpp+", "dataset_sha256": "0", "task_ids": ["Mbpp/2", "Mbpp/3"]}, _about
    ),
    "verdicts": (
        {"eval": {"T/0": [{"base_status": "pass", "plus_status": "fail"}],
                  "T/1": [{"status": "pass"}]}},
        _published_passes,
    ),
}  # fmt: skip
"""Files that are one JSON value."""


def lines(rows: Any) -> bytes:
    """Return rows as JSON lines."""
    rows = rows if isinstance(rows, list) else [rows]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
