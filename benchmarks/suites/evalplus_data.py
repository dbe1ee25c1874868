"""EvalPlus's data files: HumanEval+ and MBPP+ rows as problems."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import downloading, read_json_lines, require_texts, require_unique
from domino.records import Problem

Dataset = Literal["humaneval", "mbpp"]
_TEXT_FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution")
_NUMBER = re.compile(r"[0-9]{1,9}")
Revive = Callable[[list[Any]], list[Any]]
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
    require_unique(path, ((where, row["task_id"]) for where, row in rows))
    return ProblemFile(problems, digest)


def _download(dataset: Dataset) -> Path:
    with downloading(f"evalplus's {dataset} data set"):
        if dataset == "humaneval":
            from evalplus.data.humaneval import _ready_human_eval_plus_path as ready
        else:
            from evalplus.data.mbpp import _ready_mbpp_plus_path as ready
        return Path(ready())


def _problem(dataset: Dataset, where: str, row: Any) -> Problem:
    require_texts(where, row, _TEXT_FIELDS, "EvalPlus")
    key, atol = row["task_id"], row.get("atol")
    number = key.removeprefix(_PREFIX[dataset])
    if number == key or (dataset == "mbpp" and not _NUMBER.fullmatch(number)):
        raise SuiteError(
            f"{where}: task_id is {key!r}, which is none of {dataset}'s "
            f"({_PREFIX[dataset]}NUMBER): is this another data set?"
        )
    if type(atol) not in (int, float) or not 0 <= atol <= sys.float_info.max:
        raise SuiteError(f"{where}: atol is {atol!r}, not a number of at least 0")
    revive = _MBPP_ARGUMENTS.get(int(number)) if dataset == "mbpp" else None
    base, plus = (_inputs(where, row, name, revive) for name in ("base_input", "plus_input"))
    return Problem(
        id=key,
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        canonical_solution=row["canonical_solution"],
        base_inputs=base,
        plus_inputs=plus,
        atol=float(atol),
        meta={"comparison": "evalplus", "dataset": dataset},
    )


def _inputs(where: str, row: Any, name: str, revive: Revive | None) -> list[Any]:
    inputs = row.get(name)
    if inputs == {}:  # MBPP+ writes "no inputs" as an empty object in one row
        return []
    if not isinstance(inputs, list) or not all(isinstance(item, list) for item in inputs):
        raise SuiteError(f"{where}: {name} is not a list of lists of arguments: give EvalPlus's")
    try:
        return [revive(arguments) for arguments in inputs] if revive else inputs
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise SuiteError(
            f"{where}: {name} has an unknown form ({error}): give EvalPlus's"
        ) from error


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
