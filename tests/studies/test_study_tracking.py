"""A study as MLflow has it, in a real store."""

import contextlib
import io
from typing import Any

import pytest
from mlflow import MlflowClient

from studies.loop import StudyResult, execute
from tests.benchmarks import tiny_run
from tests.studies import toy
from tests.studies.test_pruning import LEVELS


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[MlflowClient, StudyResult, str]:
    """A study of pruned and complete trials, resumed once with one trial more."""
    folder = tmp_path_factory.mktemp("study")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    for file in ("model.safetensors", "tokenizer.json"):
        (model / file).touch()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    said = io.StringIO()
    with toy.names(), contextlib.redirect_stdout(said):
        config = toy.study(
            model, folder / "runs", spaces={"falling": toy.levels}, method="falling",
            objective="held-out-loss", sampler="grid", grid={"start": LEVELS}, pruner="median",
            storage=str(folder / "journal"),
        )  # fmt: skip
        run = toy.replace(config.run, tracking_uri=uri)
        for trials in (len(LEVELS) - 1, len(LEVELS)):
            outcome = execute(
                toy.replace(config, run=run, trials=trials), plain=True, test=False,
                make_engine=tiny_run.make_engine,
            )  # fmt: skip
    return MlflowClient(tracking_uri=uri), outcome, said.getvalue()


def runs_under(client: MlflowClient, parent: str | None) -> list[Any]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    runs = client.search_runs(experiments, order_by=["attributes.start_time ASC"])
    return [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]


def trials_of(client: MlflowClient) -> dict[str, Any]:
    (study,) = runs_under(client, None)
    return {run.info.run_name: run for run in runs_under(client, study.info.run_id)}


def test_a_study_is_one_run_however_often_it_is_resumed(logged: Any) -> None:
    client, _, _ = logged
    (study,) = runs_under(client, None)
    assert study.info.run_name.startswith("study toy.falling in ")
    assert study.info.status == "FINISHED"
    assert study.data.params["objective"] == "held-out-loss"
    assert study.data.params["run.pairs"] == "5"
    assert list(trials_of(client)) == [f"trial {number}" for number in range(len(LEVELS))]


def test_the_studys_run_is_what_is_said_at_the_end(
    logged: Any,
) -> None:
    client, _, said = logged
    (study,) = runs_under(client, None)
    assert f"MLflow: run {study.info.run_id} in sqlite" in said


def test_a_trial_has_its_setting_its_value_and_its_state(logged: Any) -> None:
    client, outcome, _ = logged
    trials = trials_of(client)
    assert all(run.info.status == "FINISHED" for run in trials.values())
    for number, level in enumerate(LEVELS):
        run = trials[f"trial {number}"]
        assert run.data.params["trial.start"] == str(level)
        assert run.data.params["method_options.falling.start"] == str(level)
    assert trials["trial 1"].data.metrics["value"] == outcome.study.get_trials()[1].value
    assert trials["trial 1"].data.tags["state"] == "complete"
    pruned = trials["trial 5"]
    assert pruned.data.tags["state"] == "pruned"
    assert pruned.data.tags["reason"] == "pruned: held-out loss 910.0000 at step 10"
    assert "value" not in pruned.data.metrics


def test_the_pipelines_own_curves_are_under_the_trial(logged: Any) -> None:
    client, _, _ = logged
    (row,) = runs_under(client, trials_of(client)["trial 0"].info.run_id)
    assert row.info.run_name == "falling seed 0"
    curve = client.get_metric_history(row.info.run_id, "synthesize/held_out")
    assert [(p.step, p.value) for p in curve] == [(s, 100 + 100 / s) for s in range(10, 60, 10)]


def test_the_best_trial_and_no_other_is_tagged(logged: Any) -> None:
    client, outcome, _ = logged
    best = [name for name, run in trials_of(client).items() if "best" in run.data.tags]
    assert best == [f"trial {outcome.best.number}"] == ["trial 0"]


def test_the_page_and_its_figures_are_artifacts_of_the_studys_run(logged: Any) -> None:
    client, outcome, _ = logged
    (study,) = runs_under(client, None)
    assert {file.path for file in client.list_artifacts(study.info.run_id, "report")} >= {
        "report/report.html", "report/figures", "report/tables"
    }  # fmt: skip
    figures = {file.path for file in client.list_artifacts(study.info.run_id, "report/figures")}
    assert "report/figures/history.svg" in figures
    note = study.data.tags["mlflow.note.content"]
    assert note.startswith(f"Trial {outcome.best.number} is chosen")
