"""Greedy completions here and by EvalPlus's own command, on the shipped backbone."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models import resolve_model
from benchmarks.reproduction.__main__ import main
from benchmarks.reproduction.completions import MARGIN, first_difference, table, unexplained
from domino.engines.transformers_engine import TransformersEngine
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

ROW: dict[str, Any] = {
    "id": "HumanEval/3",
    "same_prompt": True,
    "same_completion": True,
    "same_program": True,
    "tokens": {"here": 7, "tool": 7},
    "passes": {"here": [True, False], "tool": [True, False]},
}


def found(**changed: Any) -> dict[str, Any]:
    return {
        "model": "small", "suite": "humaneval+", "engine": "transformers", "command": "command",
        "seconds": {"here": 1, "tool": 2}, "problems": [ROW | changed],
    }  # fmt: skip


@needs_bubblewrap
@pytest.mark.timeout(300)
def test_the_shipped_backbone_completes_as_evalplus_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared_data("README.md").parent
    arguments = ["--data", str(data), "--model", "housestyle", "--suite", "humaneval+"]
    assert main([*arguments, "--id_range", "5:7", "--output", str(tmp_path)]) == 0
    [path] = (tmp_path / "completions").glob("*.json")
    rows = json.loads(path.read_text())["problems"]
    assert [row["id"] for row in rows] == ["HumanEval/5", "HumanEval/6"]
    assert all(row["same_prompt"] and row["same_completion"] for row in rows)
    assert all(row["tokens"]["tool"] > 0 for row in rows)
    assert capsys.readouterr().out == (tmp_path / "completions" / "table.md").read_text()


def test_a_difference_is_explained_by_two_tokens_of_nearly_the_same_logit_and_by_no_more() -> None:
    near = {"same_completion": False, "first_difference": 3, "margin": MARGIN / 2}
    assert unexplained(found()) == []
    assert unexplained(found(**near)) == []
    assert unexplained(found(**near | {"margin": 2 * MARGIN})) == ["HumanEval/3"]
    assert unexplained(found(**near | {"same_prompt": False})) == ["HumanEval/3"]
    assert unexplained(found(same_program=False)) == ["HumanEval/3"]
    assert unexplained(found(passes={"here": [True] * 2, "tool": [True, False]})) != []
    assert "HumanEval/3: at token 3" in table([found(**near)])


def test_the_first_other_token_is_found_by_text() -> None:
    tokenizer = TransformersEngine.load(resolve_model("housestyle")).tokenizer
    ids = tokenizer("return [v for v in values]")["input_ids"]
    assert len(ids) > 2
    begun = tokenizer.decode(ids[:2])
    assert first_difference(tokenizer, ids, begun + "~") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "housestyle"], "give --id_range 0:20"),
        (["--suite", "humaneval+"], "give --model too"),
        (["--model", "housestyle", "--suite", "mbpp+", "--id_range", "9:3"], "id_range is '9:3'"),
        (
            ["--model", "housestyle", "--suite", "mbpp+", "--id_range", "0:3",
             "--max_new_tokens", "9"],
            "EvalPlus's command has no such option",
        ),
        (
            ["--model", "housestyle", "--suite", "humaneval+", "--id_range", "500:510"],
            "no task with a number from 500",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared_data("README.md").parent
    assert main(["--data", str(data), "--output", str(tmp_path), *arguments]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert not list(tmp_path.iterdir())
