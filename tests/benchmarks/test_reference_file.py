import json
from pathlib import Path

import pytest

from benchmarks.suites.base import SuiteError
from benchmarks.suites.reference_file import read_references

GOOD = [{"instruction": "Add two numbers."}, {"instruction": "Sort a list.", "response": "sorted"}]


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_references_keep_the_files_order_and_stable_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", *GOOD, {"instruction": "Third.", "id": "mine"})
    first, second, third = read_references(path)
    assert (first.instruction, first.response) == ("Add two numbers.", None)
    assert second.response == "sorted"
    assert third.id == "mine"
    again = read_references(write(tmp_path / "s.jsonl", *reversed(GOOD)))
    assert {first.id, second.id} == {reference.id for reference in again}


def test_blank_lines_and_carriage_returns_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'\n{"instruction": "a"}\r\n\n{"instruction": "b"}\r\n')
    assert [reference.instruction for reference in read_references(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 references: give at least 2"),
        (b'{"instruction": "a"}\n', "has 1 references: give at least 2"),
        (b'{"instruction": "a"}\n{"instruction": "a"}\n', "line 2: repeats line 1"),
        (
            b'{"instruction": "a", "id": 1}\n{"instruction": "b", "id": "1"}\n',
            "line 2: repeats line 1",
        ),
        (b'{"instruction": "a"}\n{"instruction": "\xff"}\n', "line 2: byte 17 is not UTF-8"),
        (b'{"instruction": "a"}\n{"instruction": \n', "line 2: not JSON"),
        (b'{"instruction": "a"}\n["b"]\n', "line 2: a list"),
        (b'{"instruction": "a"}\n{"response": "b"}\n', "line 2: no field 'instruction'"),
        (b'{"instruction": "a"}\n{"instruction": 5}\n', "line 2: instruction is a int"),
        (b'{"instruction": "a"}\n{"instruction": " "}\n', "line 2: instruction is empty"),
        (
            b'{"instruction": "a"}\n{"instruction": "b", "respnse": "c"}\n',
            "unknown field 'respnse'",
        ),
        (b'{"instruction": "a", "id": []}\n', "line 1: id is"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(data)
    with pytest.raises(SuiteError) as caught:
        read_references(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_over_long_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"instruction": "a" * 30}, {"instruction": "b"})
    assert len(read_references(path, max_characters=30)) == 2
    with pytest.raises(SuiteError, match="line 1: instruction has 30 characters, at most 29"):
        read_references(path, max_characters=29)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="No such file"):
        read_references(tmp_path / "none.jsonl")
