"""What was synthesized can be taken away: data in a trainer's form, with its card."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.config.run_config import RunConfig
from benchmarks.export import FORMS, main
from benchmarks.report.terminal import Report

Whole = tuple[RunConfig, Report]


def run_export(whole: Whole, to: Path, *more: str) -> int:
    config, report = whole
    method = [] if "--method" in more else ["--method", "counting"]
    given = [report.name, "--output", str(config.output), "--to", str(to), *method]
    return main([*given, *more])


def test_equal_records_give_equal_bytes_and_a_card_says_what_they_are(
    whole: Whole, tmp_path: Path
) -> None:
    import pandas as pd

    for name in ("one", "two"):
        assert run_export(whole, tmp_path / name) == 0
    for file in ("train.parquet", "README.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    rows = pd.read_parquet(tmp_path / "one" / "train.parquet")
    [counting] = [row for row in whole[1].rows if row.method == "counting"]
    assert len(rows) == counting.kept
    assert [turn["role"] for turn in rows["messages"][0]] == ["user", "assistant"]
    card = (tmp_path / "one" / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["configs"][0]["data_files"][0]["path"] == "train.parquet"
    for said in (
        "# counting on small", "SHA-256 " + whole[1].about["model_digest"], "| asked |",
        "Near copies of a reference", "Pass@1 ", "--methods no-data,repeating,counting",
        "--suite small",
    ):  # fmt: skip
        assert said in body
    assert str(tmp_path.parent) not in body


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_back_as_examples(whole: Whole, tmp_path: Path, form: str) -> None:
    from benchmarks.suites.examples import read_examples
    from benchmarks.suites.tables import read_table

    assert run_export(whole, tmp_path / "x", "--form", form, "--file", "jsonl") == 0
    found = read_examples(read_table(tmp_path / "x" / "train.jsonl"), responses=True)
    assert found.wrong == ()
    assert len(found.found) == next(r.kept for r in whole[1].rows if r.method == "counting")
    assert found.found[0].instruction.startswith("Add ")


def test_no_text_of_a_reference_is_in_the_data(whole: Whole, tmp_path: Path) -> None:
    from benchmarks.report.stored import load_run

    assert run_export(whole, tmp_path / "x", "--file", "jsonl") == 0
    text = "".join(path.read_text() for path in (tmp_path / "x").iterdir())
    references = load_run(whole[1].name, whole[0].output).read_references()
    assert references
    assert not any(json.dumps(r.instruction)[1:-1] in text for r in references)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "countin"], "has no method 'countin' (did you mean 'counting'?)"),
        (["--method", "no-data"], "no-data makes no data of its own"),
        (["--push", "owner/name"], "needs a token of the hub"),
        (["--push", "name"], "--push name: give OWNER/NAME"),
        (["--form", "other"], "invalid choice: 'other'"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_writes_nothing(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, more: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert run_export(whole, tmp_path / "x", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_push_stops_where_a_pair_is_near_a_reference(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "x")
    monkeypatch.setattr("benchmarks.export._near_copies", lambda *given: ["counting-3"])
    monkeypatch.setattr("benchmarks.export._pushed", None)
    assert run_export(whole, tmp_path / "x", "--push", "owner/name") == 2
    assert "1 pair of counting would carry a reference" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_in_it_is_left_alone(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    assert run_export(whole, tmp_path) == 2
    assert "is there already: give a new or an empty folder" in capsys.readouterr().err
