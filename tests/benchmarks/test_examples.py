"""Examples are read out of every form and file that people keep them in."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites.base import SuiteError
from benchmarks.suites.examples import NO_INSTRUCTION, NO_RESPONSE, read_examples
from benchmarks.suites.tables import is_hub_name, read_fields, read_table
from tests.benchmarks.own_rows import write

PAIR = {"instruction": "Add 1 and 2.", "response": "3"}
TURNS = [{"role": "user", "content": "Add 1 and 2."}, {"role": "assistant", "content": "3"}]
FORMS: dict[str, dict[str, Any]] = {
    "instruction and response": PAIR,
    "Alpaca": {"instruction": "Add 1 and 2.", "input": "", "output": "3"},
    "prompt and completion": {"prompt": "Add 1 and 2.", "completion": "3"},
    "messages": {"messages": TURNS},
    "conversations": {
        "conversations": [
            {"from": "human", "value": "Add 1 and 2."}, {"from": "gpt", "value": "3"},
        ]
    },
}  # fmt: skip


def read(path: Path, **options: Any):
    return read_examples(read_table(path), **options)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_instruction_and_response(tmp_path: Path, form: str) -> None:
    found = read(write(tmp_path / "r.jsonl", FORMS[form] | {"source": "x", "score": 2}))
    [example] = found.found
    assert (example.instruction, example.response) == ("Add 1 and 2.", "3")
    assert example.meta == {"source": "x", "score": "2"}
    assert (found.form, found.wrong) == (form, ())


def test_what_belongs_to_the_request_stays_with_it(tmp_path: Path) -> None:
    alpaca = {"instruction": "Add them.", "input": "1 and 2", "output": "3"}
    system = {"messages": [{"role": "system", "content": "Be brief."}, *TURNS]}
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    texts = [
        read(write(tmp_path / f"{n}.jsonl", row)).found[0].instruction
        for n, row in enumerate((alpaca, system, parts))
    ]
    assert texts == ["Add them.\n\n1 and 2", "Be brief.\n\nAdd 1 and 2.", "Hi"]


def test_completions_may_be_messages(tmp_path: Path) -> None:
    row = {"prompt": TURNS[:1], "completion": TURNS[1:]}
    [example] = read(write(tmp_path / "r.jsonl", row)).found
    assert (example.instruction, example.response) == ("Add 1 and 2.", "3")


def test_conversations_of_several_turns_are_refused_with_their_count(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"messages": TURNS}, *[{"messages": TURNS * 3}] * 2)
    found = read(path)
    assert len(found.found) == 1
    [line] = found.wrong
    assert line.startswith(f"{path}, line 2: 3 user turns; 2 rows of 3 with more than one")


@pytest.mark.parametrize("name", ["r.jsonl", "r.json", "r.csv", "r.tsv", "r.parquet", "r.jsonl.gz"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    rows = [PAIR | {"id": "a"}, {"instruction": 'Say "é",\nplease.', "response": "é", "id": "b"}]
    path = tmp_path / name
    if name.endswith(".json"):
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif name.endswith((".csv", ".tsv")):
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t" if "tsv" in name else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif name.endswith(".parquet"):
        import pandas as pd

        pd.DataFrame(rows).to_parquet(path)
    else:
        text = "".join(json.dumps(row) + "\r\n\n" for row in rows).encode("utf-8-sig")
        if name.endswith(".gz"):
            import gzip

            text = gzip.compress(text)
        path.write_bytes(text)
    found = read(path)
    assert [(e.id, e.instruction, e.response) for e in found.found] == [
        ("a", "Add 1 and 2.", "3"), ("b", 'Say "é",\nplease.', "é"),
    ]  # fmt: skip
    assert found.wrong == ()


def test_rows_without_a_text_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.jsonl", PAIR, {"instruction": " ", "response": "x"}, {"instruction": "y"},
        {"response": "z"},
    )  # fmt: skip
    assert read(path, responses=True).left_out == {NO_INSTRUCTION: 2, NO_RESPONSE: 1}
    assert read(path).left_out == {NO_INSTRUCTION: 2}
    assert len(read(path, strict=True).wrong) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction": 5}, "instruction is a int: give a text"),
        ({"instruction": "x", "respnse": "y"}, "'respnse' (did you mean 'response'?)"),
        ({"messages": "x"}, "the conversation is a str, not a list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "turn 1: role is 'tool'"),
        ({"messages": [{"role": "user", "content": 5}]}, "turn 1: content is a int"),
        ({"messages": [5]}, "turn 1: a int, not an object"),
        ({"instruction": "\ud83d"}, "half of a surrogate pair"),
        ({"instruction": "x", "id": 1.5}, "id is 1.5: give a text or a number"),
        ({"instruction": "x", "input": 5, "output": "y"}, "input is a int"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, row: Any, message: str) -> None:
    [line] = read(write(tmp_path / "r.jsonl", row)).wrong
    assert line.startswith(f"{tmp_path}/r.jsonl, line 1")
    assert message in line


def test_an_id_twice_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", PAIR | {"id": 1}, PAIR | {"id": "1"})
    assert "line 2: repeats line 1" in read(path).wrong[0]


def test_equal_rows_without_ids_are_no_mistake_of_a_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", PAIR, PAIR)
    assert read(path).wrong == ()
    assert "line 2: repeats line 1" in read(path, strict=True).wrong[0]


def test_columns_of_no_form_are_refused_with_the_forms(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"question": "x", "answer": "y"})
    with pytest.raises(SuiteError, match=r"columns question, answer are those of no known form"):
        read(path)
    named = read_fields("instruction=question, response=answer", ("instruction", "response"))
    [example] = read_examples(read_table(path, named)).found
    assert (example.instruction, example.response) == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instruction", "give NAME=COLUMN pairs"),
        ("instruction=", "give NAME=COLUMN pairs"),
        ("instrction=a", "fields names 'instrction' (did you mean 'instruction'?)"),
        ("instruction=a,instruction=b", "it gives a name twice"),
    ],
)
def test_fields_of_another_form_are_refused(text: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read_fields(text, ("instruction", "response"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instruction,response\na\n", "line 2: 1 cells, and the header has 2"),
        ('instruction,response\n"a,b\n', "line 2: not CSV"),
        ("instruction,instruction\na,b\n", "line 1: the header names a column twice"),
    ],
)
def test_what_is_no_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        table = read_table(path)
        raise SuiteError(table.wrong[0])
    assert message in str(caught.value)


def test_what_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_bytes(b"nothing")
    with pytest.raises(SuiteError, match=r"data cannot be read from .*r.parquet") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "hub"),
    [
        ("owner/name", True), ("owner/name@v1", True), ("name", True), ("data/mine.jsonl", False),
        ("mine.parquet", False), ("./mine", False), ("a/b/c", False),
    ],
)  # fmt: skip
def test_a_name_of_a_hub_is_told_from_a_path(source: str, hub: bool) -> None:
    assert is_hub_name(source) is hub
