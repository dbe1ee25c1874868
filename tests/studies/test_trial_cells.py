"""Trials as cells: another machine continues a study with them, and they give its tables."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.fields import ConfigError
from studies import cells as module
from studies.cells import TrialCells
from studies.config import StudyConfig
from studies.loop import StudyResult, execute
from studies.page import make_page
from studies.report import main
from tests.benchmarks import tiny_run
from tests.studies import toy


def run(config: StudyConfig) -> StudyResult:
    return execute(config, plain=True, test=False, make_engine=tiny_run.make_engine)


def study(model: Path, folder: Path, **changes: Any) -> StudyConfig:
    return toy.study(model, folder / "runs", **{"trials": 6, "cells": folder / "cells", **changes})


def files(config: StudyConfig) -> dict[str, bytes]:
    assert config.cells is not None
    return {path.name: path.read_bytes() for path in sorted(config.cells.iterdir())}


def settings(result: StudyResult) -> list[Any]:
    return [(trial.params, trial.values, trial.state) for trial in result.study.get_trials()]


@pytest.fixture
def first(no_backbone: Path, tmp_path: Path) -> tuple[StudyConfig, StudyResult]:
    config = study(no_backbone, tmp_path / "first")
    return config, run(config)


def elsewhere(config: StudyConfig, folder: Path) -> StudyConfig:
    """The same study on a machine that has the cells and no storage."""
    return replace(config, run=replace(config.run, output=folder / "elsewhere"))


def test_each_trial_is_a_file_and_a_study_goes_on_from_them(
    first: tuple[StudyConfig, StudyResult], no_backbone: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config, _ = first
    before = files(config)
    assert list(before) == [f"toy.counting.trial-{slot}.json" for slot in range(6)]
    values = json.loads(before["toy.counting.trial-3.json"])
    assert set(values["params"]) >= {"supply", "sampling.temperature"}
    assert values["notes"]["by_seed"]["formula"]
    assert values["notes"]["cost"]["cpu_s"] >= 0
    assert values["conditions"]["code"]
    assert str(tmp_path) not in json.dumps({**values, "conditions": {}})
    capsys.readouterr()
    more = replace(elsewhere(config, tmp_path), trials=9)
    gone_on = run(more)
    assert "6 trials imported from" in capsys.readouterr().err
    assert {name: data for name, data in files(more).items() if name in before} == before
    assert len(files(more)) == 9
    undisturbed = run(study(no_backbone, tmp_path / "undisturbed", trials=9, cells=None))
    assert settings(gone_on) == settings(undisturbed), "the sampler saw the same trials"


def test_tables_come_from_cells_alone(
    first: tuple[StudyConfig, StudyResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, result = first
    assert config.cells is not None
    expected = make_page(config, result.study)
    there = elsewhere(config, tmp_path)
    page = make_page(there, TrialCells(there, config.cells).stored(there))
    assert [t.to_markdown() for t in page.tables] == [t.to_markdown() for t in expected.tables]
    assert [figure.svg for figure in page.figures] == [f.svg for f in expected.figures]
    assert page.html == expected.html
    monkeypatch.setattr("studies.presets.STUDIES", {"toy": lambda: there})
    out = tmp_path / "page"
    assert main(["toy", "--cells", str(config.cells), "--to", str(out)]) == 0
    assert (out / "report.html").read_text() == page.html


def test_a_gap_is_filled_and_a_pruned_trial_is_kept(no_backbone: Path, tmp_path: Path) -> None:
    config = study(
        no_backbone, tmp_path / "first", spaces={"falling": toy.levels}, method="falling",
        objective="held-out-loss", pruner="median", trials=8,
    )  # fmt: skip
    whole = run(config)
    states = [json.loads(data)["state"] for data in files(config).values()]
    assert set(states) == {"complete", "pruned"}
    assert config.cells is not None
    (config.cells / "toy.falling.trial-2.json").unlink()
    again = elsewhere(config, tmp_path)
    run(again)
    assert len(files(again)) == 8
    now = [json.loads(data)["state"] for data in files(again).values()]
    assert now[:2] + now[3:] == states[:2] + states[3:]
    assert whole.best.params in [json.loads(data)["params"] for data in files(again).values()]


def test_cells_of_other_conditions_or_code_are_refused_by_name(
    first: tuple[StudyConfig, StudyResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = elsewhere(first[0], tmp_path)
    other = replace(config, run=replace(config.run, pairs=4))
    with pytest.raises(ConfigError, match=r"trial-0\.json \(run\.pairs 5, here 4\).*new folder"):
        run(other)
    monkeypatch.setattr(module, "digest", lambda value: "f" * 64)
    with pytest.raises(ConfigError, match=r"trial-5\.json \(code [0-9a-f]+, here ffff"):
        run(config)


def test_a_torn_or_changed_cell_is_one_line(
    first: tuple[StudyConfig, StudyResult], tmp_path: Path
) -> None:
    config = elsewhere(first[0], tmp_path)
    assert config.cells is not None
    one, other = (config.cells / f"toy.counting.trial-{n}.json" for n in (0, 1))
    one.write_text(one.read_text()[:100])
    other.write_text(other.read_text().replace('"slot": 1', '"slot": 7'))
    (config.cells / "README.md").write_text("nobody's business")
    with pytest.raises(ConfigError) as refused:
        run(config)
    said = str(refused.value)
    assert "\n" not in said
    assert f"{one} is not a trial's cell: not JSON" in said
    assert f"{other} is not a trial's cell: its content is not that of its digest" in said
    with pytest.raises(ConfigError, match=r"none of study toy\.counting"):
        TrialCells(config, tmp_path / "none").stored(config)
