"""EvalPlus's data files: HumanEval+ and MBPP+ rows as problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import downloading, read_json_lines
from domino.records import Problem

Dataset = Literal["humaneval", "mbpp"]
_TEXT_FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution")
_PREFIX: Mapping[Dataset, str] = {"humaneval": "HumanEval/", "mbpp": "Mbpp/"}


@dataclass(frozen=True, slots=True)
class ProblemFile:
    """The problems of a data file in its order, and the SHA-256 of the file's bytes."""

    problems: tuple[Problem, ...]
    digest: str


def load_problems(dataset: Dataset, path: Path | None) -> ProblemFile:
    """Read a .jsonl or .jsonl.gz file, or without a path the one that evalplus downloads.

    Raises:
        SuiteError: no such file, not gzip, not JSON lines, or rows of another schema.
    """
    path = path or _download(dataset)
    rows, digest = read_json_lines(path)
    problems = tuple(_problem(dataset, where, row) for where, row in rows)
    _refuse_duplicates(path, problems)
    return ProblemFile(problems, digest)


def _download(dataset: Dataset) -> Path:
    with downloading(f"evalplus's {dataset} data set"):
        if dataset == "humaneval":
            from evalplus.data.humaneval import _ready_human_eval_plus_path as ready
        else:
            from evalplus.data.mbpp import _ready_mbpp_plus_path as ready
        return Path(ready())


def _problem(dataset: Dataset, where: str, row: Any) -> Problem:
    _check_row(dataset, where, row)
    key = row["task_id"]
    return Problem(
        id=key,
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        canonical_solution=row["canonical_solution"],
        base_inputs=_inputs(dataset, where, key, row["base_input"]),
        plus_inputs=_inputs(dataset, where, key, row["plus_input"]),
        atol=float(row["atol"]),
        meta={"comparison": "evalplus", "dataset": dataset},
    )


def _check_row(dataset: Dataset, where: str, row: Any) -> None:
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: a {type(row).__name__}, not a task of EvalPlus's")
    missing = [
        name for name in (*_TEXT_FIELDS, "base_input", "plus_input", "atol") if name not in row
    ]
    if missing:
        raise SuiteError(
            f"{where}: no field {missing[0]!r}: this is not EvalPlus's schema (fields are "
            f"{sorted(row)[:8]})"
        )
    for name in _TEXT_FIELDS:
        if not isinstance(row[name], str):
            raise SuiteError(f"{where}: {name} is a {type(row[name]).__name__}, not a text")
    if not isinstance(row["atol"], int | float):
        raise SuiteError(f"{where}: atol is {row['atol']!r}, not a number")
    if not row["task_id"].startswith(_PREFIX[dataset]):
        raise SuiteError(
            f"{where}: task_id is {row['task_id']!r}, which is none of {dataset}'s "
            f"({_PREFIX[dataset]}...): is this another data set?"
        )


def _inputs(dataset: Dataset, where: str, key: str, raw: Any) -> list[Any]:
    # MBPP+ writes "no inputs" as an empty object in one row.
    inputs = list(raw)
    if not all(isinstance(arguments, list) for arguments in inputs):
        raise SuiteError(f"{where}: an input of {key} is not a list of arguments")
    if dataset == "humaneval":
        return inputs
    revive = _MBPP_ARGUMENTS.get(int(key.removeprefix(_PREFIX["mbpp"])))
    try:
        return [revive(arguments) for arguments in inputs] if revive else inputs
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise SuiteError(f"{where}: an input of {key} has an unknown form ({error})") from error


def _refuse_duplicates(path: Path, problems: tuple[Problem, ...]) -> None:
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise SuiteError(f"{path}: {problem.id} is there twice")
        seen.add(problem.id)


# JSON has no tuples, sets or complex numbers: what the arguments of each MBPP task really are.
# (EvalPlus knows it by task number too: `mbpp_deserialize_inputs`.)


def _tuples(items: list[Any]) -> list[Any]:
    return [tuple(item) for item in items]


def _deep_tuples(item: Any) -> Any:
    return tuple(map(_deep_tuples, item)) if isinstance(item, list) else item


def _set_or_empty_dict(item: Any) -> Any:
    return set(item) if isinstance(item, list) and item else {}


def _first(change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda arguments: [change(arguments[0]), *arguments[1:]]


def _mixed_tuple(items: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in items)


def _by_task(*rules: tuple[Callable[[list[Any]], Any], tuple[int, ...]]) -> dict[int, Any]:
    return {task: rule for rule, tasks in rules for task in tasks}


_MBPP_ARGUMENTS: Mapping[int, Callable[[list[Any]], Any]] = _by_task(
    (
        _tuples,
        (
            *(2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424),
            *(429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809),
        ),
    ),
    (
        lambda arguments: [_tuples(argument) for argument in arguments],
        (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780),
    ),
    (_first(_tuples), (75, 413, 444, 753)),
    (lambda arguments: [arguments[0], tuple(arguments[1])], (106, 750)),
    (_first(lambda items: [_set_or_empty_dict(item) for item in items]), (115,)),
    (lambda arguments: [float(arguments[0]), complex(arguments[1])], (124,)),
    (_first(tuple), (250, 405, 446, 617, 720, 763, 808, 307)),
    (lambda arguments: [tuple(_tuples(argument)) for argument in arguments], (259, 401, 445)),
    (_first(_mixed_tuple), (278,)),
    (_first(lambda table: {key: tuple(value) for key, value in table.items()}), (722,)),
    (_first(complex), (252,)),
    (lambda arguments: [_deep_tuples(argument) for argument in arguments], (580, 615, 791)),
)
