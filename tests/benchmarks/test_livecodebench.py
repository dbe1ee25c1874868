import base64
import gzip
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evaluator.check import canonical_failures, check_programs
from benchmarks.evaluator.comparison import JsonComparison, PrintedComparison
from benchmarks.sandbox import Output, SandboxConfig
from benchmarks.sandbox.worker import codec
from benchmarks.store.identity import digest
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.livecodebench.hidden import HiddenTestsError, decode_hidden
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Program, Verdict
from tests.benchmarks.livecodebench_rows import (
    PUBLISHED,
    SOLUTIONS,
    case,
    dated,
    encoded,
    method_row,
    script_row,
    write_rows,
)
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

CONFIG = SandboxConfig(workers=1)
ADD = "print(int(input()) + {})"
DAYS = [f"2024-0{month}-10" for month in (1, 2, 3, 4, 5, 6)]


def suite_of(path: Path, **options: Any) -> Suite:
    return load_suite("livecodebench", SuiteOptions(dataset=path, **options))


def verdicts(suite: Suite, programs: dict[str, str]) -> dict[str, Verdict]:
    made = [Program(id=key, problem_id=key, code=code) for key, code in programs.items()]
    return {
        verdict.problem_id: verdict for verdict in check_programs(suite.everything(), made, CONFIG)
    }


# The hidden tests.


@given(st.text())
def test_hidden_tests_are_decoded_as_they_were_encoded(text: str) -> None:
    assert decode_hidden(encoded([text])) == [text]


def test_hidden_tests_may_also_be_plain_json() -> None:
    assert decode_hidden('[{"input": "1"}]') == [{"input": "1"}]


class Hostile:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "it ran"))


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    data = pickle.dumps(Hostile(victim))
    pickle.loads(data)
    assert victim.exists()  # the same bytes do run where they are unpickled
    victim.unlink()
    row = dated(script_row(1), DAYS[0])
    row["private_test_cases"] = packed(data)
    later = dated(script_row(2), DAYS[1])
    suite = suite_of(write_rows(tmp_path / "rows.jsonl", row, later))
    with pytest.raises(SuiteError, match=r"hidden tests of script_1 are refused: its pickle"):
        verdicts(suite, {"script_1": ADD.format(1)})
    assert not victim.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (packed(pickle.dumps({"a": 1})), "operation EMPTY_DICT"),
        (packed(b"cos\nsystem\n(S'true'\ntR."), "operation GLOBAL"),
        (packed(b"\x80\x04\x8c\x01ar\xff\xff\xff\xff."), "operation LONG_BINPUT"),
        (packed(b"\x80\x04\x8c\x01a\x8c\x01b."), "2 texts"),
        (packed(b"\x80\x04\x8c\x0aa"), "no pickle"),
        (packed(pickle.dumps("no JSON")), "no JSON"),
        (packed(pickle.dumps("[]"))[:-8], "base64|cut off"),
        ("!!", "neither JSON nor compressed base64"),
        ("[", "no JSON"),
    ],
)
def test_what_is_no_text_in_a_pickle_is_refused(text: str, message: str) -> None:
    with pytest.raises(HiddenTestsError, match=message):
        decode_hidden(text)


def test_a_zip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suites.livecodebench.hidden.MAX_BYTES", 1000)
    with pytest.raises(HiddenTestsError, match="larger than"):
        decode_hidden(encoded(["a" * 2000]))


# Reading.


@pytest.mark.parametrize("form", ["rows.jsonl", "rows.jsonl.gz", "rows.json", "snapshot.json", ""])
def test_every_form_of_a_file_holds_the_same_problems(tmp_path: Path, form: str) -> None:
    rows = [dated(script_row(n), DAYS[n], [case("5", str(5 + n))]) for n in range(4)]
    plain = write_rows(tmp_path / "rows.jsonl", *rows)
    path = tmp_path / form
    if form.endswith(".gz"):
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif form.endswith(".json"):
        path.write_text(
            json.dumps(rows if form == "rows.json" else {"rows": [{"row": row} for row in rows]})
        )
    suite = suite_of(path)
    assert [problem.id for problem in suite.everything()] == [f"script_{n}" for n in range(4)]
    assert [list(problem.plus_inputs) for problem in suite.everything()] == [[["5"]]] * 4
    assert digest(suite.everything()) == digest(suite_of(plain).everything())


def test_another_hidden_test_makes_another_problem(tmp_path: Path) -> None:
    digests = {
        digest(suite_of(write_rows(tmp_path / "r.jsonl", row, script_row(2))).everything())
        for row in (dated(script_row(1), DAYS[0], [case(text, "")]) for text in "123")
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([[]], "line 1: a list"),
        ([{"id": 1}], "line 1: no field 'question_id'"),
        ([script_row(1), script_row(1)], "line 2: script_1 is there twice"),
        ([script_row(1, public_test_cases="[")], "public tests: not JSON|line 1: not JSON"),
        ([script_row(1, public_test_cases='[{"input": ""}]')], "not a list of tests"),
        ([script_row(1, contest_date="soon")], "contest_date is 'soon'"),
        ([script_row(1, metadata="[]")], "metadata is a list"),
        ([method_row(1, starter_code="class Solution: ...")], "starter code without a method"),
    ],
)
def test_a_file_of_another_schema_is_refused_in_one_line(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        suite_of(write_rows(tmp_path / "rows.jsonl", *rows)).everything()
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.jsonl", "No such file"), (tmp_path, "has no .jsonl")):
        with pytest.raises(SuiteError, match=message):
            suite_of(path).everything()


# Splits.


def test_earlier_problems_are_references_and_later_ones_the_test(tmp_path: Path) -> None:
    rows = [dated(script_row(n), DAYS[n]) for n in (3, 0, 5, 1, 4, 2)]
    suite = suite_of(write_rows(tmp_path / "rows.jsonl", *rows), cutoff=DAYS[4])
    assert [p.id for p in suite.problems("test")] == ["script_5", "script_4"]
    known = {r.id for r in suite.references()} | {p.id for p in suite.problems("development")}
    assert known == {f"script_{n}" for n in range(4)}
    assert suite.variant == f"test from contest date {DAYS[4]} on"
    half = suite_of(tmp_path / "rows.jsonl")
    assert {p.id for p in half.problems("test")} == {"script_3", "script_4", "script_5"}


def test_without_dates_a_seed_splits_and_the_summary_says_so(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", *(script_row(n) for n in range(20)))
    first, second = suite_of(path), suite_of(path, split_seed=1)
    assert first.variant == "split by seed 0, as the data has no contest dates"
    for suite in (first, second):
        parts = [
            {r.id for r in suite.references()},
            {p.id for p in suite.problems("development")},
            {p.id for p in suite.problems("test")},
        ]
        assert [len(part) for part in parts] == [8, 2, 10]
        assert len(set.union(*parts)) == 20
    assert first.references() != second.references()
    assert first.references() == suite_of(path).references()


def test_problems_without_any_test_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [script_row(n) for n in range(3)] + [script_row(9, public_test_cases="[]")]
    suite = suite_of(write_rows(tmp_path / "rows.jsonl", *rows))
    assert len(suite.everything()) == 3
    assert suite.variant.endswith("; 1 without tests left out")


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    undated = write_rows(tmp_path / "u.jsonl", script_row(1), script_row(2))
    rows = [dated(script_row(n), DAYS[n]) for n in range(3)]
    path = write_rows(tmp_path / "d.jsonl", *rows)
    for wrong, message in (
        (suite_of(undated, cutoff="2024-01-01"), "has no contest dates"),
        (suite_of(path, cutoff="May"), "cutoff is 'May'"),
        (suite_of(path, cutoff=DAYS[0]), "give a date between"),
        (suite_of(path, cutoff="2030-01-01"), "give a date between"),
        (suite_of(path, track="pair"), "no solutions for track 'pair'"),
    ):
        with pytest.raises(SuiteError, match=message):
            [*wrong.references(), *wrong.problems("test")]
    with pytest.raises(SuiteError, match="no option domain"):
        suite_of(path, domain="x")


@pytest.mark.parametrize("cutoff", [None, DAYS[2]])
@pytest.mark.parametrize("undated", [{}, {"contest_date": None}])
def test_dates_of_a_part_of_the_rows_are_refused(
    tmp_path: Path, cutoff: str | None, undated: dict[str, Any]
) -> None:
    rows = [dated(script_row(n), DAYS[n % 6]) for n in range(7)] + [script_row(7, **undated)]
    suite = suite_of(write_rows(tmp_path / "rows.jsonl", *rows), cutoff=cutoff)
    with pytest.raises(SuiteError, match=r"1 of 8 problems have no contest_date.*'script_7'"):
        suite.problems("test")
    assert len(suite.everything()) == 8


def test_the_published_public_problems_are_read_and_split() -> None:
    shared_data(PUBLISHED)
    parts = [shared_data(f"livecodebench/public_tests_part{n}.jsonl.gz") for n in (1, 6)]
    for path, rows in zip(parts, (400, 175), strict=True):
        suite = suite_of(path)
        problems = suite.everything()
        left_out = 1 if "left out" in suite.variant else 0
        assert len(problems) + left_out == rows
        assert {problem.meta["runner"] for problem in problems} == {"method", "script"}
        assert len(suite.references()) >= len(problems) * 0.4 - 1


# Asking and answering.


def test_the_instruction_has_the_problem_the_form_and_the_starter_code(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", script_row(1), method_row(2))
    suite = suite_of(path, protocol="plain")
    script, method = suite.everything()
    asked = []
    for problem in (script, method):
        [turn] = suite.protocol(chat=True).turns(suite.instruction(problem))
        assert suite.content(turn["content"]).split() == suite.instruction(problem).split()
        asked.append(turn["content"])
    assert suite.instruction(script) == script.prompt
    assert "standard input" in asked[0]
    assert method.meta["starter_code"].rstrip() in suite.instruction(method)
    assert "standard input" not in asked[1]


def test_a_reader_takes_the_last_fenced_block_that_parses(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", script_row(1), script_row(2))
    suite = suite_of(path, extraction="lenient")
    problem = suite.everything()[0]
    response = "First\n```python\nx = 1\n```\nbetter\n```python\ny = 2\n```\n```text\na b\n```\n"
    assert suite.extract(problem, response).strip() == "y = 2"
    assert suite.extract(problem, "z = 3").strip() == "z = 3"
    assert suite.refuse_response("", response) is None
    assert suite.refuse_response("", "```python\ndef f(:\n```") == ("does not parse", "def f(:")


# Running.


@needs_bubblewrap
def test_scripts_and_methods_run_on_public_and_hidden_tests(tmp_path: Path) -> None:
    hidden = [case("5", "6"), case("2\n", "3.0 \n")]
    joined = [case("1\n[]", "[1, 7]", "functional")]
    path = write_rows(
        tmp_path / "rows.jsonl",
        *(dated(script_row(1, question_id=f"s{n}"), DAYS[n], hidden) for n in range(6)),
        *(dated(method_row(7, question_id=f"m{n}"), DAYS[n], joined) for n in range(4)),
    )
    join = "class Solution:\n    def join(self, a: int, b: List[int]):\n        return {}\n"
    found = verdicts(
        suite_of(path),
        {
            "s0": ADD.format(1),
            "s1": "print(2)",
            "s2": "print(int(input()) + 1, end='')\nimport sys\nsys.exit(1)",
            "s3": "raise KeyError(3)",
            "s4": "print(str(int(input()) + 1) + '.0')",
            "s5": "print('2\\n2')",
            "m0": join.format("(a, *b, 7)"),
            "m1": join.format("[a, 2, 7]"),
            "m2": "def join(a, b):\n    return [a] + b + [7]\n",
            "m3": "x = 1",
        },
    )
    assert {key: (verdict.base.value, verdict.plus.value) for key, verdict in found.items()} == {
        "s0": ("passed", "passed"),
        "s1": ("passed", "wrong"),
        "s2": ("passed", "passed"),
        "s3": ("error", "error"),
        "s4": ("passed", "passed"),
        "s5": ("wrong", "wrong"),
        "m0": ("passed", "passed"),
        "m1": ("passed", "wrong"),
        "m2": ("passed", "passed"),
        "m3": ("error", "error"),
    }


@needs_bubblewrap
def test_one_test_cannot_change_what_the_next_one_reads_or_writes(tmp_path: Path) -> None:
    hidden = [case("5", "6"), case("7", "8")]
    row = dated(script_row(1), DAYS[0], hidden)
    path = write_rows(tmp_path / "rows.jsonl", row, dated(script_row(2), DAYS[1]))
    code = (
        "import builtins, os, sys\nn = int(input())\nprint(n + 1)\nsys.stdout.flush()\n"
        "left = sys.stdin.read()\nsys.stdin.close()\nsys.stdout = open(os.devnull, 'w')\nprint(9)"
    )
    assert verdicts(suite_of(path), {"script_1": code})["script_1"].passed


@needs_bubblewrap
@pytest.mark.parametrize(
    "body",
    [
        "left.append(a)\n        return [a, *b, 7] if left == [a] else left",
        "import builtins\n        kept = hasattr(builtins, 'x')\n        builtins.x = 1\n"
        "        return 'kept' if kept else [a, *b, 7]",
        "import os\n        try:\n            os.fork()\n        except PermissionError:\n"
        "            return [a, *b, 7]",
    ],
    ids=["its own state", "the interpreter's state", "no processes"],
)
def test_the_last_call_of_a_method_is_as_alone_as_all_others(tmp_path: Path, body: str) -> None:
    hidden = [case(f"{n}\n[]", f"[{n}, 7]", "functional") for n in range(3)]
    row = dated(method_row(7), DAYS[0], hidden)
    path = write_rows(tmp_path / "rows.jsonl", row, dated(method_row(8), DAYS[1]))
    code = f"left = []\nclass Solution:\n    def join(self, a, b):\n        {body}\n"
    verdict = verdicts(suite_of(path), {"method_7": code})["method_7"]
    assert (verdict.base, verdict.plus) == ("passed", "passed"), verdict.detail


@needs_bubblewrap
def test_a_program_finds_no_expected_output_of_its_own(tmp_path: Path) -> None:
    """It prints every text that the process holds which looks like the secret answer."""
    secret = "271828182845904523536"
    row = dated(script_row(1, public_test_cases="[]"), DAYS[0], [case("1", secret)])
    path = write_rows(tmp_path / "rows.jsonl", row, dated(script_row(2), DAYS[1]))
    code = (
        "import gc, sys\nkinds = (dict, list, tuple)\n"
        "held = [repr(o) for o in gc.get_objects() if isinstance(o, kinds)]\n"
        "frame = sys._getframe()\nwhile frame:\n    held.append(repr(frame.f_locals))\n"
        '    frame = frame.f_back\nprint(next((t for h in held for t in h.split("\'")'
        " if t.startswith(str(27182))), 'none'))"
    )
    verdict = verdicts(suite_of(path), {"script_1": code})["script_1"]
    assert (verdict.base, verdict.plus) == ("passed", "wrong")
    assert "none" in verdict.detail


@needs_bubblewrap
def test_solutions_of_the_eight_published_problems_pass_their_hidden_tests() -> None:
    suite = suite_of(shared_data(PUBLISHED))
    assert {problem.id for problem in suite.everything()} == set(SOLUTIONS)
    assert [key for key, verdict in verdicts(suite, SOLUTIONS).items() if not verdict.passed] == []
    assert sum(len(problem.plus_inputs) for problem in suite.everything()) > 100
    wrong = dict.fromkeys(SOLUTIONS, "print(1)")
    assert not any(verdict.passed for verdict in verdicts(suite, wrong).values())


def test_a_suite_without_solutions_has_none_that_fail(tmp_path: Path) -> None:
    suite = suite_of(write_rows(tmp_path / "rows.jsonl", script_row(1), script_row(2)))
    assert canonical_failures(suite.everything(), CONFIG) == []


# Comparing.


def output(value: Any) -> Output:
    return Output(json.dumps(codec.encode(value)).encode())


@pytest.mark.parametrize(
    ("got", "wanted", "same"),
    [
        ("1\n2\n", "1\n2", True),
        ("  1 \n 2", "1\n2\n\n", True),
        ("1 2", "1  2", True),
        ("a b", "a  b", False),
        ("1\n\n2", "1\n2", False),
        ("1.0 2.50", "1 2.5", True),
        ("0.30000000000000004", "0.3", False),
        ("50000000000000000", "50000000000000001", False),
        ("1e2", "100", True),
        ("nan", "nan", True),
        ("nan 1", "nan  1", False),
        ("sNaN 1", "1", False),
        ("yes", "YES", False),
        ("", "", True),
    ],
)
def test_printed_lines_are_compared_as_livecodebench_does(
    got: str, wanted: str, same: bool
) -> None:
    assert PrintedComparison().matches([], output(got), output(wanted)) is same


@pytest.mark.parametrize(
    ("got", "wanted", "same"),
    [
        ((1, 2), [1, 2], True),
        ([(1, 2)], [[1, 2]], False),
        (2.0, 2, True),
        (True, 1, True),
        ("2", 2, False),
        (0.1 + 0.2, 0.3, False),
        (None, None, True),
        (float("nan"), float("nan"), False),
        (object(), "x", False),
    ],
)
def test_returned_values_are_compared_as_livecodebench_does(
    got: Any, wanted: Any, same: bool
) -> None:
    assert JsonComparison().matches([], output(got), output(wanted)) is same


def test_what_is_no_text_is_no_printed_output() -> None:
    for claim in (b"5", b'{"opaque": ["x", null]}', b'["1"]'):
        assert not PrintedComparison().matches([], Output(claim), output("5"))


@pytest.mark.network
def test_the_hub_has_release_6() -> None:
    suite = load_suite("livecodebench", SuiteOptions(cutoff="2025-01-01"))
    assert len(suite.everything()) == 1055
