import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import canonical_failures, check_programs
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.extraction.lenient import value_in
from benchmarks.suites.livecodebench.answers import question, read_question
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Program
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

CONFIG = SandboxConfig(workers=1)


def crux_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"sample_{number}",
        "code": f"def f(a, b):\n    return [a, (b, {number})]",
        "input": "1, 'x == y'",
        "output": f"[1, ('x == y', {number})]",
        **changes,
    }


def livecode_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"sample_{number}",
        "question_id": number // 2,
        "contest_date": f"2023-0{1 + number // 2}-01T00:00:00",
        "function_name": "first",
        "code": f"def first(xs: List[int]) -> int:\n    return Counter(xs)[{number}]",
        "input": f"first(xs = [{number}, {number}])",
        "output": "2",
        **changes,
    }


def suite_of(
    path: Path, *rows: Any, name: str = "livecodebench-execution", **options: Any
) -> Suite:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_suite(name, SuiteOptions(dataset=path, **options))


@pytest.mark.parametrize(
    ("response", "literal"),
    [
        ("[ANSWER]\nassert f(1) == [1, 2]\n[/ANSWER]", "[1, 2]"),
        ("It is 3.\n[ANSWER]assert f('a == b') == 'a == b'[/ANSWER] done", "'a == b'"),
        ("[ANSWER]{'a': 1}[/ANSWER]", "{'a': 1}"),
        ("[ANSWER] assert f(1) == 4", "4"),
        ("```python\nassert f(1) == (1,)\n```", "(1,)"),
        ("assert f(1) == -2\nassert f(2) == 3", "-2"),
        ("'text'\nand more", "'text'"),
        ("assert f(1) == [1, 2", "[1, 2"),
        ("", ""),
    ],
)
def test_the_literal_is_found_in_a_response(response: str, literal: str) -> None:
    assert value_in(response) == literal


def test_a_question_is_read_back_as_function_and_call(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "c.jsonl", crux_row(1), crux_row(2))
    problem = suite.everything()[0]
    assert read_question(suite.instruction(problem)) == (crux_row(1)["code"], "f(1, 'x == y')")
    assert suite.refuse_instruction(suite.instruction(problem)) is None
    for text in ("", "def f(): pass", "```python\nassert f(1) == ??\n```"):
        assert suite.refuse_instruction(text)


@needs_bubblewrap
@pytest.mark.parametrize("row", [crux_row, livecode_row])
def test_answers_are_expressions_that_are_judged_by_value(tmp_path: Path, row: Any) -> None:
    suite = suite_of(tmp_path / "c.jsonl", row(0), row(1))
    problem = suite.everything()[1]
    right = row(1)["output"]
    answers = {
        right: "passed",
        f" {right}\n": "passed",
        "[1, ('x == y', 2)]": "wrong",
        "(1, ('x == y', 1))": "wrong",
        f"[{right}][0]": "passed",
        f"max([{right}])": "passed",
        f"[{right}] * 2": "wrong",
        "f(1, 'x == y')": "error",
        "first([1, 1])": "error",
        "observed_output()": "error",
        "Counter([1])": "wrong" if row is livecode_row else "error",
        "x = 1": "error",
        "exit()": "error",
        "[" * 150 + "]" * 150: "wrong",
        "": "error",
        "(" * 5000: "error",
    }
    programs = [
        Program(id=str(n), problem_id=problem.id, code=code) for n, code in enumerate(answers)
    ]
    verdicts = check_programs([problem], programs, CONFIG)
    assert [verdict.base.value for verdict in verdicts] == list(answers.values())
    assert canonical_failures(suite.everything(), CONFIG) == []


@needs_bubblewrap
@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("[0, 0, 0, 0, 0]", "[0] * 5"),
        ("'ababab'", "'ab' * 3"),
        ("{'a': 3}", "dict(a=3)"),
        ("1000", "10 ** 3"),
        ("{'a': 2}", "Counter('aa')"),
    ],
)
def test_the_official_checks_evaluate_an_answer_behind_the_imports_of_its_function(
    tmp_path: Path, output: str, answer: str
) -> None:
    row = crux_row(1, code=f"from collections import Counter\ndef f():\n    return {output}")
    suite = suite_of(tmp_path / "c.jsonl", {**row, "input": "", "output": output}, name="cruxeval")
    [problem] = suite.everything()
    program = Program(
        id="0",
        problem_id=problem.id,
        code=suite.extract(problem, f"assert f() == {answer}\n[/ANSWER]"),
    )
    [verdict] = check_programs([problem], [program], CONFIG)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        ("[0] * 5", True),
        ("dict(a=3)", True),
        ("[n for n in range(3)]", True),
        ("Yes", False),
        ("f(1)", False),
        ("return 1", False),
        ("1) + (2", True),
        ("1)\n(2", False),
        ("", False),
        ("(" * 500, False),
    ],
)
def test_a_response_without_a_value_is_refused(tmp_path: Path, answer: str, is_kept: bool) -> None:
    suite = suite_of(tmp_path / "c.jsonl", crux_row(1), crux_row(2))
    refusal = suite.refuse_response("", f"assert f(1) == {answer}\n[/ANSWER]")
    assert (refusal is None) is is_kept


@needs_bubblewrap
def test_a_stated_output_that_the_function_does_not_give_fails_the_gold_check(
    tmp_path: Path,
) -> None:
    rows = [crux_row(1), crux_row(2, output="[1, 2]"), crux_row(3, code="def f(a, b): 1 / 0")]
    failed = canonical_failures(suite_of(tmp_path / "c.jsonl", *rows).everything(), CONFIG)
    assert sorted((v.problem_id, v.base.value) for v in failed) == [
        ("sample_2", "wrong"),
        ("sample_3", "error"),
    ]


@needs_bubblewrap
def test_pairs_whose_function_or_answer_is_wrong_are_refused_by_running(tmp_path: Path) -> None:
    rows = [crux_row(n) for n in range(4)]
    suite = suite_of(tmp_path / "c.jsonl", *rows, track="pair", extraction="lenient")
    good = [(r.instruction, r.response or "") for r in suite.references()]
    question = good[0][0]
    endless = question.replace("    return", "    while True: pass\n    return")
    broken = question.replace("return [", "return b + 1, [")
    pairs = [*good, (question, "[ANSWER]7[/ANSWER]"), (endless, "1"), (broken, "1"), ("no", "1")]
    assert [refusal and refusal[0] for refusal in suite.refuse_by_running(pairs, CONFIG)] == [
        *([None] * len(good)),
        "answer is not what the function returns",
        "the function fails",
        "the function fails",
        "no function and call",
    ]


@needs_bubblewrap
def test_the_solver_runs_what_was_drawn_and_states_what_it_returns(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "rows.jsonl", *map(crux_row, range(8)), name="cruxeval")
    questions = [
        question("def f(a):\n    return {a: [a, None]}", "f('x')"),
        question("def f(a):\n    return Counter(a).most_common(1)", "f('xxy')"),
        question("def f(a):\n    raise ValueError(a)", "f(1)"),
        question("def f(a):\n    return open", "f(1)"),
        "not a question",
        question("def f(a):\n    return repr(a)", "f('\\'')"),
    ]
    answers = suite.solve(questions, CONFIG)
    assert answers == [
        "[ANSWER]\nassert f('x') == {'x': ['x', None]}\n[/ANSWER]",
        "[ANSWER]\nassert f('xxy') == [('x', 2)]\n[/ANSWER]",
        None,
        None,
        None,
        "[ANSWER]\nassert f('\\'') == '\"\\'\"'\n[/ANSWER]",
    ]
    answered = [(q, a) for q, a in zip(questions, answers, strict=True) if a is not None]
    assert suite.refuse_by_running(answered, CONFIG) == [None] * 3


@needs_bubblewrap
def test_the_solver_answers_the_suites_own_problems_rightly(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "rows.jsonl", *map(livecode_row, range(8)), cutoff="2023-03-01")
    problems = suite.problems("test")
    answers = suite.solve([suite.instruction(problem) for problem in problems], CONFIG)
    programs = [
        Program(id=p.id, problem_id=p.id, code=suite.extract(p, answer or ""))
        for p, answer in zip(problems, answers, strict=True)
    ]
    assert problems and all(v.passed for v in check_programs(problems, programs, CONFIG))


def test_one_function_with_several_inputs_stays_on_one_side(tmp_path: Path) -> None:
    rows = [livecode_row(n) for n in range(12)]
    suite = suite_of(tmp_path / "l.jsonl", *rows, cutoff="2023-05-01")
    assert [p.id for p in suite.problems("test")] == [f"sample_{n}" for n in range(8, 12)]
    assert suite.variant == "test from contest date 2023-05-01 on"
    undated = [livecode_row(n, contest_date=None) for n in range(12)]
    seeded = suite_of(tmp_path / "u.jsonl", *undated)
    known = {reference.id for reference in seeded.references()}
    assert known
    for n in range(0, 12, 2):
        assert (f"sample_{n}" in known) == (f"sample_{n + 1}" in known)
    assert seeded.variant == "split by seed 0, as the data has no contest dates"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([[]], "line 1: a list"),
        ([{"id": "1"}], "line 1: no field 'code'"),
        ([crux_row(1), crux_row(1)], "line 2: sample_1 is there twice"),
        ([livecode_row(1, contest_date="x")], "contest_date is 'x'"),
    ],
)
def test_a_file_of_another_schema_is_refused_in_one_line(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        suite_of(tmp_path / "c.jsonl", *rows).everything()
    assert "\n" not in str(caught.value)


def test_dates_of_a_part_of_the_rows_are_refused(tmp_path: Path) -> None:
    rows = [livecode_row(n) for n in range(7)] + [livecode_row(7, contest_date=None)]
    suite = suite_of(tmp_path / "l.jsonl", *rows)
    with pytest.raises(SuiteError, match=r"1 of 8 problems have no contest_date.*'sample_7'"):
        suite.references()


def test_a_cutoff_needs_dates(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "c.jsonl", crux_row(1), crux_row(2), cutoff="2023-01-01")
    with pytest.raises(SuiteError, match="has no contest dates"):
        suite.problems("test")
    with pytest.raises(SuiteError, match="no option cutoff"):
        suite_of(tmp_path / "c.jsonl", name="cruxeval", cutoff="2023-01-01")


@needs_bubblewrap
def test_every_answer_of_cruxeval_is_what_its_function_returns() -> None:
    path = shared_data("cruxeval/cruxeval.jsonl.gz")
    problems = load_suite("cruxeval", SuiteOptions(dataset=path)).everything()
    assert len(problems) == 800
    assert canonical_failures(problems, SandboxConfig()) == []


@pytest.mark.network
@pytest.mark.parametrize(("name", "count"), [("livecodebench-execution", 479), ("cruxeval", 800)])
def test_the_hub_has_the_data(name: str, count: int) -> None:
    assert len(load_suite(name, SuiteOptions()).everything()) == count
