"""Generations in EvalPlus's sample format: a `task_id` with `solution` or `completion` a line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.code_text import with_prompt
from domino.records import Problem, Program


def read_samples(path: Path, problems: Sequence[Problem]) -> list[Program]:
    """Return the programs of a .jsonl or .jsonl.gz file, in its order.

    A `solution` is a whole program; a `completion` gets its problem's prompt in front, unless it
    repeats it already.

    Raises:
        SuiteError: the file cannot be read, a line is no sample, a task is unknown, or a problem
            has no sample (a score over a part of the problems is no score of the benchmark).
    """
    known = {problem.id: problem for problem in problems}
    programs: list[Program] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            problem, code = _sample(f"{path}, line {number}", line, known)
            index = counts[problem.id] = counts.get(problem.id, -1) + 1
            programs.append(Program(id=f"{problem.id}#{index}", problem_id=problem.id, code=code))
    missing = [key for key in known if key not in counts]
    if missing:
        raise SuiteError(
            f"{path} has no sample for {len(missing)} of {len(known)} problems, the first is "
            f"{missing[0]}: give one at least for each"
        )
    return programs


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(
            f"samples cannot be read from {path}: {reason}: give a .jsonl or .jsonl.gz file"
        ) from error


def _sample(where: str, line: str, known: Mapping[str, Problem]) -> tuple[Problem, str]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise SuiteError(f"{where}: not JSON ({error})") from error
    if not isinstance(row, dict) or not isinstance(row.get("task_id"), str):
        raise SuiteError(f"{where}: no sample: it needs a task_id, and a solution or completion")
    problem = known.get(row["task_id"])
    if problem is None:
        raise SuiteError(
            f"{where}: task {row['task_id']!r} is not in the data set: are these samples of "
            "another suite or version?"
        )
    for field in ("solution", "completion"):
        if isinstance(row.get(field), str):
            code = row[field]
            if field == "completion":
                code = with_prompt(problem.prompt, problem.entry_point, code)
            return problem, code
    raise SuiteError(f"{where}: neither 'solution' nor 'completion' is a text")
