"""A row of a user's file as a problem, by its kind."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import closest
from benchmarks.evaluator.data import ABSOLUTE_TOLERANCE
from benchmarks.evaluator.gold import defines
from benchmarks.evaluator.scorers import SCORERS, Target, decimal, normalised, target_meta
from benchmarks.evaluator.stated import StatedProblem
from benchmarks.suites.base import SuiteError
from benchmarks.suites.bigcodebench.rows import Challenge
from benchmarks.suites.own.kinds import EVALPLUS, FUNCTION, SCRIPT, SQL, TARGET, TESTS, Kind
from benchmarks.suites.own.unit_tests import CASES, unit_tests
from benchmarks.suites.own.values import (
    id_of,
    number_of,
    objects_of,
    optional_text,
    require_data,
    text_of,
    truth_of,
)
from benchmarks.suites.reading import require_storable
from domino.records import Problem

CALL_TIMEOUT_S = 6.0
"""Seconds of one case or query, as LiveCodeBench has it for a test."""
TESTS_TIMEOUT_S = 60.0
"""Seconds of all tests of a problem."""
MAX_TIMEOUT_S = 3600.0
LETTERS = "ABCDEFGHIJ"
QUERY = "query"
_ORDER_BY = re.compile(r"\border\s+by\b[^)]*\Z", re.IGNORECASE)
_TOKEN = secrets.token_hex(16)

Fields = Mapping[str, Any]


def id_field(row: Fields) -> str:
    """Return the name of a row's field that is its id: published files have task_id."""
    return "task_id" if "task_id" in row and "id" not in row else "id"


def make_problem(where: str, row: Fields, kind: Kind) -> Problem:
    """Return a row as a problem.

    Raises:
        SuiteError: a field has no such value; one line.
    """
    return _MAKERS[kind.name](where, row)


def _function(where: str, row: Fields) -> Problem:
    cases = objects_of(where, row, "cases", ("args", "expected"), ())
    for number, case in enumerate(cases, start=1):
        place = f"{where}, cases {number}"
        if not isinstance(case["args"], list):
            kind = type(case["args"]).__name__
            raise SuiteError(f"{place}: args is a {kind}: give the list of the call's arguments")
        require_data(place, "args", case["args"])
        require_data(place, "expected", case["expected"])
    return _stated(
        where,
        row,
        entry_point=_name(where, row),
        inputs=[case["args"] for case in cases],
        outputs=[case["expected"] for case in cases],
        meta={"comparison": "data"},
    )


def _script(where: str, row: Fields) -> Problem:
    cases = objects_of(where, row, "cases", ("stdin", "stdout"), ())
    texts = [
        [text_of(f"{where}, cases {n}", case, name, may_be_blank=True) for name in case_fields]
        for n, case in enumerate(cases, start=1)
        for case_fields in [("stdin", "stdout")]
    ]
    return _stated(
        where,
        row,
        entry_point="standard_output",
        inputs=[[given] for given, _ in texts],
        outputs=[printed for _, printed in texts],
        meta={"comparison": "printed", "runner": "script", "answer": _solution(where, row)},
    )


def _tests(where: str, row: Fields) -> Problem:
    tests = row["test"]
    if isinstance(tests, list) and tests and all(isinstance(item, str) for item in tests):
        source = "\n".join(tests)
    else:
        source = text_of(where, row, "test")
    require_storable(where, "test", source)
    named = _name(where, row) if "entry_point" in row else ""
    made = unit_tests(where, source.replace("\r\n", "\n"), named, truth_of(where, row, "apart"))
    return _stated(
        where,
        row,
        entry_point=made.entry_point,
        inputs=Challenge(made.names, [_TOKEN]),
        outputs=Challenge(made.names, {**dict.fromkeys(made.names, "ok"), "": _TOKEN}),
        timeout_s=TESTS_TIMEOUT_S,
        meta={
            "comparison": "value",
            "runner": "unittests",
            "test": made.text,
            "cases": CASES,
            "apart": "yes" if made.apart else "",
            "answer": _program(where, row, made.entry_point),
        },
    )


def _sql(where: str, row: Fields) -> Problem:
    rows = row["expected_rows"]
    if not isinstance(rows, list) or not all(isinstance(cells, list) and cells for cells in rows):
        raise SuiteError(f"{where}: expected_rows is not a list of rows, each a list of its cells")
    widths = {len(cells) for cells in rows}
    if len(widths) > 1:
        raise SuiteError(f"{where}: expected_rows have {sorted(widths)} cells: give all as many")
    cells = [[int(c) if isinstance(c, bool) else c for c in cells] for cells in rows]
    other = next((c for line in cells for c in line if isinstance(c, list | dict)), None)
    if other is not None:
        raise SuiteError(f"{where}: expected_rows has a cell {other!r:.60}: no query returns one")
    require_data(where, "expected_rows", cells)
    solution = _solution(where, row)
    ordered = truth_of(where, row, "ordered")
    counts = bool(_ORDER_BY.search(solution)) if ordered is None else ordered
    return _stated(
        where,
        row,
        entry_point=QUERY,
        inputs=[[text_of(where, row, "setup_sql", may_be_blank=True)]],
        outputs=[cells],
        meta={
            "comparison": "ordered rows" if counts else "rows",
            "runner": "sql",
            # Without a solution, that the database can be filled is still worth knowing.
            "answer": solution or _values_query(cells),
        },
    )


def _values_query(rows: Sequence[Sequence[Any]]) -> str:
    """Return the query that gives these rows, whatever the database has."""
    lines = ", ".join(f"({', '.join(map(_literal, cells))})" for cells in rows)
    return f"VALUES {lines}" if rows else "SELECT 1 WHERE 0"


def _literal(cell: Any) -> str:
    if cell is None:
        return "NULL"
    return repr(cell) if isinstance(cell, int | float) else "'" + cell.replace("'", "''") + "'"


def _target(where: str, row: Fields) -> Problem:
    scorer = text_of(where, row, "scorer").strip()
    if scorer not in SCORERS:
        raise SuiteError(
            f"{where}: scorer is {scorer!r:.60}{closest(scorer, SCORERS)}: give one of "
            f"{', '.join(SCORERS)}"
        )
    options = _scorer_options(where, row, scorer)
    given = row["target"] if isinstance(row["target"], list) else [row["target"]]
    if not given:
        raise SuiteError(f"{where}: target is an empty list: give the right answer, or several")
    answers = tuple(_answer(where, scorer, options, item) for item in given)
    return Problem(
        id=id_of(where, row, id_field(row)),
        prompt=text_of(where, row, "prompt"),
        entry_point="",
        canonical_solution=_solution(where, row),
        base_inputs=[],
        plus_inputs=[],
        meta=target_meta(Target(scorer, answers, options)),
    )


def _scorer_options(where: str, row: Fields, scorer: str) -> dict[str, Any]:
    given = row.get("scorer_options", {})
    known = SCORERS[scorer].options
    if not isinstance(given, dict):
        raise SuiteError(f"{where}: scorer_options is a {type(given).__name__}, not an object")
    for name in given:
        if name not in known:
            raise SuiteError(
                f"{where}: scorer {scorer} has no option {name!r}{closest(name, known)}: known are "
                f"{', '.join(known) or 'none'}"
            )
    options = dict(given)
    place = f"{where}, scorer_options"
    for name in ("relative_tolerance", "absolute_tolerance"):
        if name in given:
            number_of(place, given, name, 0.0)
    if "ignore_case" in given:
        truth_of(place, given, "ignore_case")
    if given.get("normalise", "squad") not in ("squad", "none"):
        raise SuiteError(f"{place}: normalise is {given['normalise']!r:.60}: give squad or none")
    if scorer == "choice":
        letters = given.get("letters", LETTERS)
        if not isinstance(letters, str) or not re.fullmatch("[A-Z]{2,26}", letters):
            raise SuiteError(f"{place}: letters is {letters!r:.60}: give capitals, such as ABCD")
        options["letters"] = letters
    return options


def _answer(where: str, scorer: str, options: Fields, given: Any) -> str:
    """Return a right answer as text, once the scorer can find it."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise SuiteError(f"{where}: target is {given!r:.60}: give a text or a number")
    answer = given if isinstance(given, str) else repr(given)
    require_storable(where, "target", answer)
    if not answer.strip():
        raise SuiteError(f"{where}: target is empty: fill it in, or remove the row")
    if scorer == "number" and decimal(answer) is None:
        raise SuiteError(f"{where}: target is {answer!r:.60}, no finite number: scorer number")
    if scorer == "choice":
        letter = answer.strip().strip("().").upper()
        if len(letter) != 1 or letter not in options["letters"]:
            raise SuiteError(
                f"{where}: target is {answer!r:.60}, none of the letters {options['letters']}"
            )
        return letter
    if scorer in ("exact", "contains") and not normalised(answer, options):
        raise SuiteError(
            f"{where}: target is {answer!r:.60}, of which SQuAD's normalisation leaves nothing: "
            'give scorer_options {"normalise": "none"}'
        )
    if scorer == "regex":
        _require_pattern(where, answer)
    return answer


def _require_pattern(where: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SuiteError(f"{where}: target is not a pattern of Python's re: {error}") from error


def _evalplus(where: str, row: Fields) -> Problem:
    inputs = {name: row.get(name, []) for name in ("base_input", "plus_input")}
    for name, value in inputs.items():
        value = inputs[name] = [] if value == {} else value  # as MBPP+ writes "no inputs"
        if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
            raise SuiteError(f"{where}: {name} is not a list of lists of arguments")
        require_data(where, name, value)
    if not inputs["base_input"]:
        raise SuiteError(f"{where}: base_input is empty: give at least one list of arguments")
    return Problem(
        id=id_of(where, row, id_field(row)),
        prompt=text_of(where, row, "prompt"),
        entry_point=_name(where, row),
        canonical_solution=text_of(where, row, "canonical_solution"),
        base_inputs=inputs["base_input"],
        plus_inputs=inputs["plus_input"],
        atol=number_of(where, row, "atol", 0.0),
        meta={"comparison": "evalplus", "dataset": "own"},
    )


def _stated(
    where: str,
    row: Fields,
    *,
    entry_point: str,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    meta: Mapping[str, str],
    timeout_s: float = CALL_TIMEOUT_S,
) -> StatedProblem:
    solution = _program(where, row, entry_point) if meta.get("runner") is None else ""
    return StatedProblem(
        id=id_of(where, row, id_field(row)),
        prompt=text_of(where, row, "prompt"),
        entry_point=entry_point,
        canonical_solution=solution or _solution(where, row),
        base_inputs=inputs,
        base_outputs=outputs,
        plus_inputs=[],
        plus_outputs=[],
        atol=number_of(where, row, "atol", ABSOLUTE_TOLERANCE),
        call_timeout_s=_timeout_s(where, row, timeout_s),
        meta=meta,
    )


def _timeout_s(where: str, row: Fields, default: float) -> float:
    seconds = number_of(where, row, "timeout_s", default, most=MAX_TIMEOUT_S)
    if seconds == 0:
        raise SuiteError(f"{where}: timeout_s is 0: give seconds above 0")
    return seconds


def _name(where: str, row: Fields) -> str:
    name = text_of(where, row, "entry_point").strip()
    if not name.isidentifier():
        raise SuiteError(f"{where}: entry_point is {name!r:.60}: give a function's name")
    return name


def _solution(where: str, row: Fields) -> str:
    return optional_text(where, row, "canonical_solution").replace("\r\n", "\n")


def _program(where: str, row: Fields, entry_point: str) -> str:
    """Return the solution as a program: behind the prompt where that begins the function."""
    solution = _solution(where, row)
    if not solution or not entry_point:
        return solution
    whole = f"{row['prompt']}{solution}"
    return whole if not defines(solution, entry_point) and defines(whole, entry_point) else solution


_MAKERS: Mapping[str, Callable[[str, Fields], Problem]] = MappingProxyType(
    {
        FUNCTION.name: _function,
        EVALPLUS.name: _evalplus,
        SCRIPT.name: _script,
        TESTS.name: _tests,
        SQL.name: _sql,
        TARGET.name: _target,
    }
)
