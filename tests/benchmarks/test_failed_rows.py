"""A method that cannot go on costs its own row, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig
from benchmarks.report.method_rows import MethodRow
from benchmarks.report.terminal import Report
from benchmarks.run import execute
from benchmarks.sandbox import SandboxError
from benchmarks.store.store import StoreError
from domino.engines.base import Engine, EngineError, Request
from domino.engines.scripted import ScriptedEngine
from domino.synthesizer import SynthesisError
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.stages import small


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


@pytest.fixture
def config(tiny_backbone: Path, tmp_path: Path) -> RunConfig:
    return tiny_run.config(tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW)


def run(config: RunConfig, make_engine: Callable[..., Engine] = tiny_run.make_engine) -> Report:
    return execute(config, plain=True, make_engine=make_engine)


def row_of(report: Report, method: str) -> MethodRow:
    return next(row for row in report.rows if row.method == method)


def fails_in(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    def fail(self: object, *_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(small.Counting, name, fail)


@pytest.mark.parametrize("error", [SynthesisError("too hard"), EngineError("no such token")])
def test_a_method_that_raises_leaves_the_others_and_is_tried_again(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:  # fmt: skip
    fails_in(monkeypatch, "fit", error)  # Repeating has the same fit
    report = run(config)
    out, err = capsys.readouterr()
    assert report.failed
    assert [bool(row.scores) for row in report.rows] == [True, False, False]
    (failure,) = row_of(report, "counting").failures
    assert (failure.stage, failure.reason) == ("synthesize", str(error))
    assert f"FAILED counting, seed 0 failed in synthesize: {error}" in out
    assert f"FAILED counting seed 0 in synthesize: {error}" in err
    assert "nothing recomputed" not in out
    monkeypatch.undo()
    with tiny_run.names():
        again = run(config)
    assert not again.failed
    assert [bool(row.scores) for row in again.rows] == [True, True, True]
    assert again.reused > 0


def test_one_seed_may_fail_and_the_score_is_over_the_others(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = small.Counting.fit

    def second_fails(self, domain, context):
        if context.seed == 1 and self.name == "counting":
            raise SynthesisError("seed 1")
        fit(self, domain, context)

    monkeypatch.setattr(small.Counting, "fit", second_fails)
    report = run(replace(config, seeds=(0, 1)))
    row = row_of(report, "counting")
    assert row.scores[0].seeds == (0,)
    assert [failure.seed for failure in row.failures] == [1]
    assert report.comparisons is not None
    compared = {(pair.first, pair.second) for pair in report.comparisons.pairs}
    assert compared == {("repeating", "no-data")}, "pairs need the same seeds"


def test_a_method_that_returns_nothing_is_not_scored_as_the_plain_backbone(
    config: RunConfig,
) -> None:
    options = {"counting": {"supply": 0}}
    row = row_of(run(replace(config, method_options=options)), "counting")
    assert row.scores == ()
    assert "the method returned nothing" in row.failures[0].reason


def test_a_method_whose_outputs_are_all_filtered_away_says_so(config: RunConfig) -> None:
    def no_programs(request: Request) -> str:
        number = int(small.NUMBER.findall(str(request.prompt))[-1])
        return "return (" if number >= 100 else small.solution(number)

    report = run(config, lambda model, adapter: ScriptedEngine(no_programs))
    row = row_of(report, "counting")
    assert row.scores == ()
    assert row.failures[0].stage == "finetune"
    assert row.failures[0].reason == "no pair to train on: all 10 instructions were dropped"
    assert row.dropped == {"does not parse": 10}
    assert row_of(report, "repeating").scores
    assert row_of(report, "no-data").scores, "a method that gives no pair is meant to give none"


class NoTemplate(ScriptedEngine):
    """A backbone whose tokenizer has no chat template."""

    def render(self, messages, *, open_user_turn=False, prefill=""):
        raise EngineError("the tokenizer has no chat template")


def test_a_backbone_without_a_chat_template_fails_every_row_that_needs_it(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(config, lambda model, adapter: NoTemplate(lambda request: ""))
    assert [row.scores for row in report.rows] == [(), (), ()]
    assert all("no chat template" in row.failures[0].reason for row in report.rows)
    assert capsys.readouterr().out.count("FAILED") == 3


def test_a_backbone_that_never_ends_its_turn_is_data(config: RunConfig) -> None:
    """Every completion is cut off: no program parses, and the run still ends with a table."""
    report = run(config, lambda model, adapter: ScriptedEngine(lambda request: "( " * 100_000))
    assert row_of(report, "no-data").scores[0].value == 0
    assert row_of(report, "counting").failures[0].reason.startswith("no pair to train on")
    assert row_of(report, "repeating").scores, "its responses are the references' own"


@pytest.mark.parametrize("error", [StoreError("no space left"), SandboxError("no sandbox")])
def test_a_broken_machine_stops_the_run(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fails_in(monkeypatch, "synthesize", error)
    with pytest.raises(type(error)):
        run(config)


def test_the_exit_code_is_1_where_a_row_failed(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", config.model, "--output", str(config.output), "--tracking_uri",
                 NO_MLFLOW, "--methods", "no-data,counting"]  # fmt: skip
    assert tiny_run.main([*arguments, "--method_options.counting.supply", "0"]) == 1
    assert "FAILED counting" in capsys.readouterr().out
    assert tiny_run.main(arguments) == 0


def test_a_model_that_changes_during_the_run_ends_it(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path(shutil.copytree(tiny_backbone, tmp_path / "model"))
    config = tiny_run.config(
        model, tmp_path / "runs", tracking_uri=NO_MLFLOW, methods=("counting",)
    )
    fit = small.Counting.fit

    def change(self: small.Counting, *given: object) -> None:
        fit(self, *given)  # type: ignore[arg-type]
        (model / "chat_template.jinja").write_text("another")

    monkeypatch.setattr(small.Counting, "fit", change)
    with pytest.raises(ConfigError, match="has changed since the run began"):
        run(config)
    stages = tmp_path / "runs" / "stages"
    assert list(stages.glob("synthesize-*/manifest.json")), "its work began before"
    assert not list(stages.glob("filter-instructions-*/manifest.json"))
