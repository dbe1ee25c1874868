"""A user's file is a suite: the kind is told by its fields, and what is wrong is named."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import canonical_failures, check_programs
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.own.file import examine
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Outcome, Problem, Program
from tests.benchmarks import own_rows
from tests.benchmarks.own_rows import KINDS, file_of, write
from tests.contracts.suite_contract import SuiteContract
from tests.sandbox.machine import needs_bubblewrap

ALONE = SandboxConfig(workers=1)


def suite_of(path: Path, **options: Any) -> Suite:
    return load_suite("own", SuiteOptions(dataset=path, **options))


def outcomes(problems: tuple[Problem, ...], *answers: str) -> list[Outcome]:
    """What the answers are worth, in turn, on the problems."""
    programs = [
        Program(id=str(n), problem_id=problem.id, code=answer)
        for n, (problem, answer) in enumerate(zip(problems, answers, strict=False))
    ]
    return [verdict.base for verdict in check_programs(problems, programs, ALONE)]


@pytest.mark.parametrize("kind", KINDS)
class TestOwn(SuiteContract):
    @pytest.fixture
    def suite(self, kind: str, tmp_path: Path) -> Suite:
        return suite_of(file_of(tmp_path, kind), track="pair")

    @pytest.fixture
    def same(self, kind: str, tmp_path: Path) -> Suite:
        return suite_of(file_of(tmp_path, kind), track="pair")


@needs_bubblewrap
def test_a_function_is_called_and_a_tuple_is_a_list(tmp_path: Path) -> None:
    problems = suite_of(file_of(tmp_path, "function")).everything()
    right = own_rows.function(0)["canonical_solution"]
    wrong = right.replace("+ 0", "+ 1").replace("add_0", "add_1").replace("+ 1,", "+ 2,")
    assert outcomes(problems, right, wrong) == [Outcome.PASSED, Outcome.WRONG]


@needs_bubblewrap
def test_a_query_runs_on_a_database_of_its_own(tmp_path: Path) -> None:
    problems = suite_of(file_of(tmp_path, "sql")).everything()
    assert outcomes(
        problems,
        "DELETE FROM p",
        "SELECT name FROM p WHERE age > 1 ORDER BY name;",
        "SELECT name FROM p",
        "SELEKT name FROM p",
        "SELECT 1; SELECT 2",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    ) == [
        Outcome.WRONG, Outcome.PASSED, Outcome.WRONG, Outcome.ERROR, Outcome.ERROR, Outcome.ERROR,
    ]  # fmt: skip


@needs_bubblewrap
def test_the_order_of_rows_counts_where_the_solution_orders_them(tmp_path: Path) -> None:
    ordered = own_rows.sql(0) | {
        "canonical_solution": "SELECT name FROM p ORDER BY age DESC",
        "expected_rows": [["c"], ["b"], ["a"]],
    }
    free = ordered | {"id": "free", "ordered": False}
    problems = suite_of(write(tmp_path / "q.jsonl", ordered, free)).everything()
    backwards = "SELECT name FROM p ORDER BY age"
    assert outcomes(problems, backwards, backwards) == [Outcome.WRONG, Outcome.PASSED]


@needs_bubblewrap
def test_a_database_that_cannot_be_filled_is_found_without_a_solution(tmp_path: Path) -> None:
    row = own_rows.sql(0) | {"setup_sql": "INSERT INTO nowhere VALUES (1)"}
    del row["canonical_solution"]
    problems = suite_of(write(tmp_path / "q.jsonl", row, own_rows.sql(1))).everything()
    [failure] = canonical_failures(problems, ALONE)
    assert "setup_sql fails" in failure.detail


@needs_bubblewrap
@pytest.mark.parametrize("form", own_rows.TESTS)
def test_tests_of_every_form_tell_right_from_wrong(tmp_path: Path, form: str) -> None:
    rows = [own_rows.tests(n) | {"test": own_rows.TESTS[form]} for n in range(2)]
    problems = suite_of(write(tmp_path / "t.jsonl", *rows)).everything()
    right, wrong = rows[0]["canonical_solution"], "def double(x):\n    return 3 * x\n"
    assert outcomes(problems, right, wrong) == [Outcome.PASSED, Outcome.WRONG]


@needs_bubblewrap
def test_tests_of_a_class_run_beside_it(tmp_path: Path) -> None:
    row = own_rows.tests(0) | {
        "test": ["s = Stack()", "s.push(1)", "assert s.pop() == 1"],
        "canonical_solution": "class Stack(list):\n    push = list.append\n",
    }
    [problem, _] = suite_of(write(tmp_path / "t.jsonl", row, own_rows.tests(1))).everything()
    assert problem.meta["apart"] == ""
    assert canonical_failures([problem], ALONE) == []
    assert outcomes((problem,), "class Stack(list):\n    def push(self, x): ...\n") == [
        Outcome.WRONG
    ]


@needs_bubblewrap
def test_a_function_that_answers_with_an_equal_to_everything_fails_its_tests(
    tmp_path: Path,
) -> None:
    rows = [own_rows.tests(n) | {"test": own_rows.TESTS["asserts"]} for n in range(2)]
    problems = suite_of(write(tmp_path / "t.jsonl", *rows)).everything()
    equal = "class E:\n    def __eq__(self, o): return True\ndef double(x):\n    return E()\n"
    assert outcomes(problems[:1], equal) != [Outcome.PASSED]


def test_a_target_is_scored_without_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.evaluator.check.Schedule.run", None)
    problems = suite_of(file_of(tmp_path, "target")).everything()
    assert outcomes(problems, "so 0", "it is 3", "") == [
        Outcome.PASSED, Outcome.WRONG, Outcome.WRONG,
    ]  # fmt: skip
    assert canonical_failures(problems, ALONE) == []


def test_a_canonical_answer_that_misses_its_target_is_a_failure(tmp_path: Path) -> None:
    row = own_rows.target(1) | {"canonical_solution": "It is 5."}
    problems = suite_of(write(tmp_path / "t.jsonl", row, own_rows.target(2))).everything()
    [failure] = canonical_failures(problems, ALONE)
    assert (failure.problem_id, failure.detail) == ("1", "got 5, expected 2")


def test_rows_say_which_part_they_are(tmp_path: Path) -> None:
    parts = ("train", "references", "dev", "test")
    rows = [own_rows.target(n) | {"split": part} for n, part in enumerate(parts)]
    suite = suite_of(write(tmp_path / "t.jsonl", *rows), track="pair")
    assert [r.id for r in suite.references()] == ["0", "1"]
    assert [r.response for r in suite.references()] == ["0 plus 0 is 0.", "1 plus 1 is 2."]
    assert [[p.id for p in suite.problems(s)] for s in ("development", "test")] == [["2"], ["3"]]


def test_references_of_a_file_leave_all_problems_to_the_test(tmp_path: Path) -> None:
    references = write(
        tmp_path / "r.jsonl", *({"question": f"What is {n}?", "answer": str(n)} for n in range(3))
    )
    suite = suite_of(
        file_of(tmp_path, "target"), track="pair", references_path=references,
        fields="instruction=question,response=answer",
    )  # fmt: skip
    assert [r.response for r in suite.references()] == ["0", "1", "2"]
    assert len(suite.problems("test")) == 6
    assert suite.problems("development") == ()


def test_rows_bring_references_along(tmp_path: Path) -> None:
    more = {"references": [{"instruction": "Add 7 and 7.", "response": "14"}]}
    suite = suite_of(file_of(tmp_path, "target", **more), track="pair")
    assert len(suite.references()) == 6
    assert len({r.id for r in suite.references()}) == 6
    assert len(suite.problems("test")) == 6


def test_problems_have_their_group_as_a_label(tmp_path: Path) -> None:
    suite = suite_of(file_of(tmp_path, "target", group=7))
    assert suite.labels(suite.everything()[0]) == ("7",)


def test_csv_holds_problems_too(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(
        'id,prompt,setup_sql,expected_rows\n1,"a, b",,"[[1, ""x""]]"\n2,c,,"[]"\n', encoding="utf-8"
    )
    found = examine(path)
    assert "no field 'setup_sql'" in found.wrong[0]
    path.write_text(path.read_text().replace(',,"[', ',SELECT 1;,"['), encoding="utf-8")
    assert [p.id for p in examine(path).problems] == ["1", "2"]


def wrong(**changes: Any) -> dict[str, Any]:
    """A row of a target with changed fields; None removes one."""
    row = own_rows.target(1) | changes
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (wrong(scorer=None, scorrer="number"), "unknown field 'scorrer' (did you mean 'scorer'?)"),
        (wrong(scorer="numbr"), "scorer is 'numbr' (did you mean 'number'?)"),
        (wrong(scorer=None), "no field 'scorer'"),
        (wrong(target=None), "no field 'target'"),
        (wrong(target="many"), "target is 'many', no finite number"),
        (wrong(target=True), "target is True: give a text or a number"),
        (wrong(target=[]), "target is an empty list"),
        (wrong(target="The", scorer="exact"), "SQuAD's normalisation leaves nothing"),
        (wrong(target="(", scorer="regex"), "not a pattern of Python's re"),
        (wrong(target="Z", scorer="choice"), "none of the letters ABCDEFGHIJ"),
        (wrong(scorer_options={"tolerance": 1}), "scorer number has no option 'tolerance'"),
        (wrong(scorer_options={"relative_tolerance": -1}), "give a number of at least 0"),
        (wrong(id=1.5), "id is 1.5: give a text or a whole number"),
        (wrong(id=None), "no field 'id'"),
        (wrong(prompt=" "), "prompt is empty"),
        (wrong(prompt=5), "prompt is a int: give a text"),
        (wrong(prompt="\ud83d"), "half of a surrogate pair"),
        (wrong(split="exam"), "split is 'exam': give references, development or test"),
        (wrong(references=[{"instrction": "x"}]), "references 1: unknown field 'instrction'"),
        (own_rows.function(0) | {"cases": []}, "cases is not a list, or is empty"),
        (own_rows.function(0) | {"cases": [{"args": 1, "expected": 1}]}, "args is a int"),
        (own_rows.function(0) | {"cases": [{"args": []}]}, "cases 1: no field 'expected'"),
        (own_rows.function(0) | {"entry_point": "a b"}, "entry_point is 'a b'"),
        (own_rows.script(0) | {"cases": [{"stdin": 1, "stdout": "1"}]}, "stdin is a int"),
        (own_rows.script(0) | {"timeout_s": 0}, "timeout_s is 0"),
        (own_rows.tests(0) | {"test": "def f(:"}, "test is not Python"),
        (own_rows.tests(0) | {"test": "x = 1"}, "test has no test"),
        (own_rows.tests(0) | {"test": "def check(candidate):\n    assert candidate(1)"},
         "the row no entry_point"),
        (own_rows.sql(0) | {"expected_rows": [["a"], ["a", 1]]}, "expected_rows have [1, 2] cells"),
        (own_rows.sql(0) | {"expected_rows": ["a"]}, "not a list of rows"),
        (own_rows.sql(0) | {"ordered": "yes"}, "ordered is 'yes': give true or false"),
        (own_rows.evalplus(0) | {"base_input": [1]}, "base_input is not a list of lists"),
        ({"id": 1, "prompt": "x"}, "no kind of problem has these fields"),
        ([1], "a list, not an object"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_named_in_one_line(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "p.jsonl", own_rows.target(7), row)
    with pytest.raises(SuiteError) as caught:
        suite_of(path).everything()
    assert "p.jsonl, line 2" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1, "id": 2, "prompt": "x", "target": 1}', "'id' is given twice"),
        ('{"id": 1, "prompt": "x", "target": NaN}', "NaN is not a finite number"),
        ('{"id": 1, "prompt": "x", "target": 1e999}', "1e999 is not a finite number"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"id": 1', "not JSON"),
    ],
)  # fmt: skip
def test_a_line_that_json_has_not_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = file_of(tmp_path, "target")
    path.write_text(f"\ufeff{path.read_text()}\r\n\n{line}\n", encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        suite_of(path).everything()
    assert "target.jsonl, line 9: " in str(caught.value)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_found_at_once_and_a_run_names_the_first(tmp_path: Path) -> None:
    rows = [own_rows.target(0) | {"split": "test"}, wrong(target="x"), own_rows.tests(3)]
    rows += [own_rows.target(4), own_rows.target(4)]
    path = write(tmp_path / "p.jsonl", *rows)
    lines = [line.removeprefix(f"{path}, ") for line in examine(path).wrong]
    assert [line[:6] for line in lines] == [
        "line 2", "line 3", "line 3", "line 4", "line 5", "line 5",
    ]  # fmt: skip
    assert "its kind is 'tests', and 3 rows of the file are of the kind 'target'" in lines[1]
    assert "no split, and other rows have one" in lines[3]
    assert "the id '4' is that of line 4 too" in lines[4]
    with pytest.raises(SuiteError, match=r"line 2: .* \(5 more: python -m benchmarks.check"):
        suite_of(path).everything()


def test_a_suite_needs_its_file_and_has_no_other_options(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="own has no problems: name their file"):
        load_suite("own", SuiteOptions())
    with pytest.raises(SuiteError, match="own has no option cutoff"):
        suite_of(file_of(tmp_path, "sql"), cutoff="2024-01-01")
    with pytest.raises(SuiteError, match=r"fields names 'promt'.*did you mean 'prompt'"):
        suite_of(file_of(tmp_path, "sql"), fields="promt=question")
    with pytest.raises(SuiteError, match="no row has a field 'asked'"):
        suite_of(file_of(tmp_path, "sql"), fields="group=asked").everything()


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with functions that make suites, or do not."""
    path = file_of(tmp_path, "target")
    code = f"""
from pathlib import Path
from benchmarks.suites.own.suite import OwnSuite
from benchmarks.suites.registry import SuiteOptions
def make(options):
    return OwnSuite(SuiteOptions(dataset=Path({str(path)!r})))
def fails(options):
    raise KeyError("nothing")
def other(options):
    return 5
"""
    (tmp_path / "my_suites_of_a_test.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_suites_of_a_test"
    sys.modules.pop("my_suites_of_a_test", None)


def test_a_suite_may_be_a_function_of_ones_own(plug_in: str) -> None:
    assert len(load_suite(f"{plug_in}:make", SuiteOptions()).everything()) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "fails fails \\(KeyError: 'nothing'\\)"),
        ("other", "other returned a int: return a benchmarks.suites.base.Suite"),
        ("mak", "has no function 'mak' \\(did you mean 'make'\\?\\)"),
    ],
)
def test_a_function_that_makes_no_suite_is_refused(plug_in: str, name: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        load_suite(f"{plug_in}:{name}", SuiteOptions())


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(SuiteError, match=r"module 'nowhere\.at_all' cannot be imported"):
        load_suite("nowhere.at_all:make", SuiteOptions())


def test_responses_are_read_by_their_kind(tmp_path: Path) -> None:
    suite = suite_of(file_of(tmp_path, "sql"))
    problem = suite.everything()[0]
    for response in (
        "<think>SELECT 1</think>Here:\n```sql\nSELECT name FROM p\n```\nIt lists them.",
        "The query is\nSELECT name FROM p",
        "SELECT name FROM p",
    ):
        assert suite.extract(problem, response).strip() == "SELECT name FROM p"
    refused = suite.refuse_responses([("x", "no idea"), ("x", "SELECT 'open"), ("x", "SELECT 1")])
    assert [refusal and refusal[0] for refusal in refused] == ["no query", "does not parse", None]
    numbers = suite_of(file_of(tmp_path, "target"))
    assert numbers.extract(numbers.everything()[0], "<think>7</think> It is 5.") == "It is 5."
    assert numbers.refuse_response("x", "no idea") == ("no number", "no idea")


def test_what_a_file_holds_is_part_of_a_runs_address(tmp_path: Path) -> None:
    first = suite_of(file_of(tmp_path, "target"))
    assert first.digest != suite_of(file_of(tmp_path, "target", group="x")).digest
    assert json.loads(first.everything()[1].meta["target"]) == ["2"]
