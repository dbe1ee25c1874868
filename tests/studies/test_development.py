"""Nothing of a test problem reaches a trial."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig
from benchmarks.suites.base import Suite
from studies.config import StudyConfig
from studies.development import DevelopmentSuite
from studies.loop import StudyResult, execute
from tests.benchmarks import tiny_run
from tests.stages import small
from tests.studies import toy


def run(config: StudyConfig, **options: Any) -> StudyResult:
    return execute(config, plain=True, make_engine=tiny_run.make_engine, **options)


def mentions(output: Path, text: str) -> set[str]:
    """The names of the stages of which any file holds the text."""
    return {
        file.relative_to(output / "stages").parts[0].rpartition("-")[0]
        for file in (output / "stages").rglob("*")
        if file.is_file() and text.encode() in file.read_bytes()
    }


def test_no_test_problems_id_occurs_in_any_trial_and_the_result_is_on_test_problems(
    tiny_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every trial draws the tasks of test problems too, which decontamination would name."""
    output = tmp_path / "runs"
    config = toy.whole(
        tiny_backbone, output, sampler="grid", grid={"start": (1, 8)}, trials=2,
        storage=str(tmp_path / "journal"),
    )  # fmt: skip
    outcome = run(config, test=False)
    assert outcome.report is None
    assert len(list(output.glob("stages/evaluate-*/manifest.json"))) == 2
    assert mentions(output, "test/") == set()
    assert "evaluate" in mentions(output, "development/")
    assert "not a result" in capsys.readouterr().out

    again = run(config, json_path=tmp_path / "result.json")
    assert again.report is not None
    assert {"evaluate", "gold"} & mentions(output, "test/") == {"evaluate"}
    (row,) = again.report.rows
    assert row.method == "counting"
    assert (row.scores[0].problems, row.scores[0].seeds) == (3, (7,))
    assert 0 <= row.scores[0].low <= row.scores[0].value <= row.scores[0].high
    assert again.report.about["split"] == "test"
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["methods"][0]["method"] == "counting"
    assert len(again.study.get_trials()) == 2, "a finished study runs no further trial"


def test_trials_share_what_does_not_depend_on_them(tiny_backbone: Path, tmp_path: Path) -> None:
    """The setting that was tried twice costs nothing the second time; the gold check is one."""
    output = tmp_path / "runs"
    config = toy.whole(
        tiny_backbone, output, sampler="grid", grid={"start": (100,)}, trials=2,
        spaces={"counting": lambda trial, run: toy.with_options(
            run, "counting", {"start": trial.suggest_int("start", 0, 100)})},
        storage=str(tmp_path / "journal"),
    )  # fmt: skip
    values = [trial.value for trial in run(config, test=False).study.get_trials()]
    assert values[0] == values[1]
    assert len(list(output.glob("stages/*"))) == 1 + 7


def test_a_development_suite_is_the_suite_without_its_test_problems() -> None:
    suite = small.KeyedSuite()
    without = DevelopmentSuite(suite)
    assert without.problems("test") == ()
    assert without.problems("development") == suite.problems("development")
    assert without.references() == suite.references()
    assert (without.name, without.template) == (suite.name, suite.template)
    assert without.program_key("Add 5 to it.") == "5"
    assert without.refuse_response("", "no python")[0] == "does not parse"
    own = {name for name in vars(Suite) if not name.startswith("_")}
    assert own <= {*vars(without), *vars(DevelopmentSuite)}, "a hook of suites is not passed on"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "final"}, "run.evaluate.split is 'test'"),
        ({"final": "run"}, "final.evaluate.split is 'development'"),
        ({"seeds": (7,)}, "final.seeds shares 7 with run.seeds"),
        ({"trials": 0}, "trials is 0"),
        ({"sampler": "tpee"}, "unknown 'tpee' \\(did you mean 'tpe'"),
        ({"sampler": "grid"}, "only the sampler 'grid' uses a grid"),
        ({"grid": {"x": (1,)}}, "only the sampler 'grid' uses a grid"),
        ({"pruner": "harsh"}, "pruner: unknown 'harsh'"),
        ({"objective": "fame"}, "objective: unknown 'fame'"),
        ({"method": "domino"}, "method: unknown 'domino'; known: counting"),
    ],
)
def test_a_study_that_would_choose_by_what_it_reports_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = toy.study(tmp_path, tmp_path / "runs")
    runs: dict[str, RunConfig] = {"run": config.run, "final": config.final}
    if "seeds" in changes:
        changes = {"run": toy.replace(config.run, seeds=changes["seeds"])}
    else:
        changes = {k: runs[v] if k in runs else v for k, v in changes.items()}
    with pytest.raises(ConfigError, match=message):
        toy.replace(config, **changes)
