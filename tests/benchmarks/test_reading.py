"""One reader for every file of lines: what people's files have is read, or refused in one line."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites.base import SuiteError
from benchmarks.suites.bigcodebench.rows import read_tasks
from tests.benchmarks.reading_files import LINES, WHOLE, Kind, lines

BOM = b"\xef\xbb\xbf"
kinds = pytest.mark.parametrize("kind", LINES.values(), ids=LINES)
rowed = pytest.mark.parametrize(
    "kind", [kind for name, kind in LINES.items() if name != "samples"],
    ids=[name for name in LINES if name != "samples"],
)  # fmt: skip


def same(data: bytes) -> bytes:
    return data


READ = {
    "mark": lambda data: BOM + data,
    "mark-on-every-file-of-several": lambda data: BOM + data.replace(b"\n", b"\n" + BOM),
    "empty-first-line": lambda data: b"\n" + data,
    "mark-and-empty-line": lambda data: BOM + b"\r\n" + data,
    "blank-lines": lambda data: b"\n" + data.replace(b"\n", b"\n \t\n\n"),
    "carriage-returns": lambda data: data.replace(b"\n", b"\r\n"),
    "no-last-line-break": lambda data: data.rstrip(b"\n"),
    "spaces-around": lambda data: b"  " + data.replace(b"\n", b" \t\n"),
}


@kinds
@pytest.mark.parametrize("change", READ.values(), ids=READ)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_marks_blank_lines_and_line_ends_do_not_count(
    tmp_path: Path, kind: Kind, change: Any, suffix: str
) -> None:
    pack = gzip.compress if suffix.endswith(".gz") else same
    plain, changed = tmp_path / f"plain{suffix}", tmp_path / f"changed{suffix}"
    plain.write_bytes(pack(lines(kind.rows)))
    changed.write_bytes(pack(change(lines(kind.rows))))
    assert repr(kind.read(changed)) == repr(kind.read(plain)).replace(str(plain), str(changed))


def refused(kind: Kind, path: Path, data: bytes) -> str:
    """Return the one line with which a file is refused."""
    path.write_bytes(data)
    with pytest.raises(SuiteError) as caught:
        kind.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    message.encode()
    return message


SECOND = {
    "not-json": (b'{"a": \n', "not JSON"),
    "not-utf-8": (b'{"a": "\xff"}\n', "byte 7 is not UTF-8: convert"),
    "brackets": (b"[" * 100_000 + b"\n", "not JSON"),
    "deep-lists": (b"[" * 400 + b"]" * 400 + b"\n", "lists or objects 200 deep"),
    "digits": (b'{"id": ' + b"9" * 5000 + b"}\n", "4300 digits"),
    "nul": (b"\x00\x00\x00\n", "not JSON"),
    "a-list": (b"[1]\n", "a list"),
    "a-number": (b"5\n", "a int"),
    "null": (b"null\n", "a NoneType"),
}


@rowed
@pytest.mark.parametrize(("line", "message"), SECOND.values(), ids=SECOND)
def test_a_line_that_is_not_a_row_is_named_with_its_number(
    tmp_path: Path, kind: Kind, line: bytes, message: str
) -> None:
    first, rest = lines(kind.rows[:1]), lines(kind.rows[1:])
    found = refused(kind, tmp_path / "rows.jsonl", first + line + rest)
    assert "rows.jsonl, line 2: " in found
    assert message in found


@rowed
def test_a_row_without_a_field_of_another_type_or_twice_is_named(
    tmp_path: Path, kind: Kind
) -> None:
    path = tmp_path / "rows.jsonl"
    first, second, third = kind.rows
    for changed in (
        {name: value for name, value in second.items() if name != kind.text},
        {**second, kind.text: None},
        {**second, kind.text: 5},
        {**second, kind.text: ["a"]},
        {**second, kind.text: "half \ud83d"},
        {**second, kind.key: ["a"]},
        {**second, kind.key: "half \ud83d"},
    ):
        assert "line 2: " in refused(kind, path, lines([first, changed, third]))
    assert "line 3: " in refused(kind, path, lines([first, second, {**third, **first}]))
    refused(kind, path, b"")


@kinds
def test_a_file_that_cannot_be_unpacked_or_read_is_named(tmp_path: Path, kind: Kind) -> None:
    packed = gzip.compress(lines(kind.rows) * 5)
    for data in (lines(kind.rows), packed[:-9], packed[:40], packed[:-20] + b"\x00" * 20, b""):
        refused(kind, tmp_path / "rows.jsonl.gz", data)
    refused(kind, tmp_path / "wide.jsonl", lines(kind.rows).decode().encode("utf-16"))
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(SuiteError):
            kind.read(path)


@pytest.mark.parametrize(("value", "read"), WHOLE.values(), ids=WHOLE)
def test_a_file_that_is_one_value_is_read_with_a_mark_and_refused_where_it_is_cut_off(
    tmp_path: Path, value: Any, read: Any
) -> None:
    path = tmp_path / "file.json"
    data = json.dumps(value).encode()
    path.write_bytes(data)
    plain = read(path)
    path.write_bytes(BOM + b"\r\n" + data)
    assert repr(read(path)) == repr(plain)
    for bad in (data[:-3], b"[" * 100_000, b"\xff" + data, b"5", b"null", b'{"eval": 5}', b"[5]"):
        path.write_bytes(bad)
        with pytest.raises(SuiteError) as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("humaneval", {"base_input": None}),
        ("humaneval", {"base_input": "abc"}),
        ("humaneval", {"base_input": 5}),
        ("humaneval", {"plus_input": {"a": 1}}),
        ("humaneval", {"atol": float("nan")}),
        ("humaneval", {"atol": 10**400}),
        ("humaneval", {"atol": -1}),
        ("humaneval", {"atol": True}),
        ("humaneval", {"task_id": "Mbpp/3"}),
        ("mbpp", {"task_id": "Mbpp/abc"}),
        ("mbpp", {"task_id": "Mbpp/" + "9" * 5000}),
        ("mbpp", {"task_id": "Mbpp/2", "base_input": [[5, 6]]}),
        ("mbpp", {"task_id": "Mbpp/124", "base_input": [[10**400, 0]]}),
        ("mbpp", {"task_id": "Mbpp/115", "base_input": [[[[[]]]]]}),
        ("mbpp-own", {"task_id": "601"}),
        ("mbpp-own", {"task_id": True}),
        ("mbpp-own", {"test_list": []}),
        ("mbpp-own", {"test_list": "assert f()"}),
        ("mbpp-own", {"test_list": [None]}),
        ("mbpp-own", {"test_setup_code": 5}),
        ("livecodebench", {"contest_date": "soon"}),
        ("livecodebench", {"contest_date": 20240101}),
        ("livecodebench", {"contest_date": ""}),
        ("livecodebench", {"metadata": "[1]"}),
        ("livecodebench", {"metadata": 5}),
        ("livecodebench", {"public_test_cases": "5"}),
        ("livecodebench", {"public_test_cases": '[{"input": 1, "output": "", "testtype": "a"}]'}),
        ("livecodebench", {"public_test_cases": "[" * 100_000}),
        ("livecodebench", {"private_test_cases": ["a"]}),
        ("livecodebench", {"private_test_cases": "eJw="}),
        ("execution", {"contest_date": [1]}),
        ("bigcodebench", {"test": "def f(:"}),
        ("bigcodebench", {"test": "x = 1"}),
        ("bigcodebench", {"test": "(" * 10_000}),
        ("bigcodebench", {"canonical_solution": "\x00"}),
        ("bigcodebench", {"libs": "5"}),
        ("bigcodebench", {"libs": "["}),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    first, second, third = LINES[kind].rows
    rows = [first, {**second, **changes}, third]
    if kind == "mbpp" and changes["task_id"] == first["task_id"]:
        rows[0] = {**first, "task_id": "Mbpp/4"}
    assert "line 2" in refused(LINES[kind], tmp_path / "rows.jsonl", lines(rows))


def test_an_mbpp_prompt_that_is_not_python_is_the_instruction_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([{**LINES["mbpp"].rows[0], "prompt": "Find (it.\x00"}]))
    assert LINES["mbpp"].read(path) == ["Mbpp/2"]


def test_a_file_of_task_ids_may_begin_with_a_mark(tmp_path: Path) -> None:
    path, ids = tmp_path / "rows.jsonl", tmp_path / "ids.txt"
    path.write_bytes(lines(LINES["bigcodebench"].rows))
    ids.write_bytes(BOM + b"BigCodeBench/2\r\n\r\nBigCodeBench/0\n")
    found = read_tasks(path, "full", ids).problems
    assert [problem.id for problem in found] == ["BigCodeBench/2", "BigCodeBench/0"]
    for bad in (b"", b"BigCodeBench/9", b"\xff"):
        ids.write_bytes(bad)
        with pytest.raises(SuiteError, match=re.escape(str(ids))):
            read_tasks(path, "full", ids)


def test_a_sample_with_half_a_character_is_a_program_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    rows = LINES["samples"].rows
    path.write_bytes(lines([{**rows[0], "solution": "x = '\ud83d'"}, *rows[1:]]))
    programs, missing = LINES["samples"].read(path)
    assert [program.problem_id for program in programs] == ["T/0", "T/1", "T/2"]
    assert programs[0].code == "x = '\ufffd'"
    assert missing == ()
    programs[0].to_json().encode()
