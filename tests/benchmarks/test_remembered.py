import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.remembered import remembered
from benchmarks.config.presets import load_preset
from benchmarks.console.display import Display
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.suites.housestyle.suite import HousestyleSuite


def counting(value: Any) -> Any:
    """A function that returns the value and counts its calls."""

    def compute() -> Any:
        compute.calls += 1
        return value

    compute.calls = 0
    return compute


def test_an_answer_is_computed_again_only_where_its_state_changed(tmp_path: Path) -> None:
    path, compute = tmp_path / "new" / "known.json", counting({"a": [1]})
    for state, calls in (([1], 1), ([1], 1), ([2], 2), ([1], 3)):
        assert remembered(path, "k", state, compute) == {"a": [1]}
        assert compute.calls == calls
    assert remembered(path, "other", [1], counting(5)) == 5
    assert remembered(path, "k", [1], compute) == {"a": [1]}
    assert compute.calls == 3


@pytest.mark.parametrize("text", ["", "[]", '{"k": 3}', '{"k": {"state": [1]}}'])
def test_a_damaged_file_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)
    assert remembered(path, "k", [1], counting(5)) == 5
    assert json.loads(path.read_text())["k"] == {"state": [1], "value": 5}


def test_a_generated_suite_is_made_once_for_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    config = replace(load_preset("housestyle-compositions"), output=tmp_path)
    display = Display()
    first = open_pipeline(config, display=display, steps=0)

    def refuse(self: Any, split: str) -> Any:
        raise AssertionError("problems were made again")

    monkeypatch.setattr(HousestyleSuite, "problems", refuse)
    again = open_pipeline(config, display=display, steps=0)
    assert again.suite_digest == first.suite_digest
    assert again.problem_counts == first.problem_counts == {"test": 128, "development": 64}
    other = replace(config, suite_options=replace(config.suite_options, domain="sensor"))
    with pytest.raises(AssertionError, match="made again"):
        open_pipeline(other, display=display, steps=0)
