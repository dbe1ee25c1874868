"""Generations in the official tools' own formats: read from files, and written for them.

EvalPlus and BigCodeBench take JSON lines with `task_id` and a `solution` (a complete program) or a
`completion`; LiveCodeBench takes one JSON list of all questions with their `code_list`, for code
execution with `id` and `pred_list`.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SampleFormat, SuiteError
from benchmarks.suites.code_text import with_prompt
from benchmarks.suites.reading import numbered, parse_json, read_bytes
from domino.records import Problem, Program

_LISTS: Mapping[str, tuple[str, str]] = {
    "questions": ("question_id", "code_list"),
    "predictions": ("id", "pred_list"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The programs of a file in its order, and what of it could not be read.

    Attributes:
        programs: named `task#0`, `task#1`, ... in the order of a task's samples.
        broken: one message for each line that cannot be read, with its number.
        missing: problems without a sample; there are some only where lines are broken.
    """

    programs: list[Program]
    broken: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read_samples(path: Path, problems: Sequence[Problem]) -> Samples:
    """Return the programs of a .jsonl or .json file, .gz or not, in any of the formats.

    A `solution` is a complete program; a `completion` gets its problem's prompt in front, unless it
    repeats it already. Lines that cannot be read are left out and named.

    Raises:
        SuiteError: the file cannot be read, an entry is not a sample, a task is unknown, or more
            problems have no sample than lines are broken (a score over a part of the problems is
            no score of the benchmark).
    """
    known = {problem.id: problem for problem in problems}
    broken: list[str] = []
    programs: list[Program] = []
    counts: dict[str, int] = {}
    for where, entry in _entries(path, broken):
        problem, codes = _sample(where, entry, known)
        for code in codes:
            index = counts[problem.id] = counts.get(problem.id, -1) + 1
            programs.append(Program(id=f"{problem.id}#{index}", problem_id=problem.id, code=code))
    missing = tuple(key for key in known if key not in counts)
    if len(missing) > len(broken) or not programs:
        raise SuiteError(
            f"{path} has no sample for {len(missing)} of {len(known)} problems, the first is "
            f"{missing[0]}: give one at least for each"
            + (f" ({len(broken)} lines cannot be read, the first: {broken[0]})" if broken else "")
        )
    return Samples(programs=programs, broken=tuple(broken), missing=missing)


def format_samples(form: SampleFormat, programs: Sequence[Program]) -> tuple[str, str]:
    """Return the name and the text of a file that the official tool reads."""
    if form == "tasks":
        rows = [{"task_id": p.problem_id, "solution": p.code} for p in programs]
        return "samples.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
    key, codes = _LISTS[form]
    by_problem: dict[str, list[str]] = {}
    for program in programs:
        by_problem.setdefault(program.problem_id, []).append(program.code)
    entries = [{key: name, codes: found} for name, found in by_problem.items()]
    return "samples.json", json.dumps(entries, indent=1) + "\n"


def _entries(path: Path, broken: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield each entry with its place; lines that cannot be read go to `broken`."""
    data, _ = read_bytes(path)
    whole = _whole(path, data)
    if whole is not None:
        yield from ((f"{path}, entry {number}", e) for number, e in enumerate(whole, start=1))
        return
    for where, line in numbered(path, data.split(b"\n")):
        try:
            entry = parse_json(where, line)
        except SuiteError as error:
            broken.append(str(error))
        else:
            yield where, entry


def _whole(path: Path, data: bytes) -> list[Any] | None:
    """Return LiveCodeBench's list, None where the file is lines."""
    if not data.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return None
    try:
        value = parse_json(str(path), data)
    except SuiteError:
        if path.name.removesuffix(".gz").endswith(".json"):
            raise
        return None
    return value if isinstance(value, list) and all(isinstance(v, dict) for v in value) else None


def _sample(where: str, entry: Any, known: Mapping[str, Problem]) -> tuple[Problem, list[str]]:
    names = ("task_id", *(key for key, _ in _LISTS.values()))
    found = [entry[n] for n in names if n in entry] if isinstance(entry, dict) else []
    if len(found) != 1 or not isinstance(found[0], str | int):
        raise SuiteError(
            f"{where}: no sample: it needs a task_id with solution or completion, or a "
            "question_id with code_list, or an id with pred_list"
        )
    problem = known.get(str(found[0]))
    if problem is None:
        raise SuiteError(
            f"{where}: task {found[0]!r} is not in the data set: are these samples of another "
            "suite, split or version?"
        )
    return problem, _codes(where, entry, problem)


def _codes(where: str, entry: Mapping[str, Any], problem: Problem) -> list[str]:
    for field in (codes for _, codes in _LISTS.values()):
        if field in entry:
            codes = entry[field]
            if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
                raise SuiteError(f"{where}: {field!r} is not a list of texts")
            return codes
    if isinstance(entry.get("solution"), str):
        return [entry["solution"]]
    if isinstance(entry.get("completion"), str):
        return [with_prompt(problem.prompt, problem.entry_point, entry["completion"])]
    raise SuiteError(f"{where}: neither 'solution' nor 'completion' is a text")
