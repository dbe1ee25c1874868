import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from benchmarks.common.fields import flatten
from benchmarks.config.run_config import RunConfig
from benchmarks.report.terminal import Report
from benchmarks.run import execute
from benchmarks.store import provenance
from benchmarks.store.provenance import process_tags, started_by_dead_process
from benchmarks.tracking.study import StudyTracker
from benchmarks.tracking.values import metric_name, numbers, tracking_place
from tests.benchmarks import tiny_run
from tests.benchmarks.snippets import run_snippet

ROOT = Path(__file__).resolve().parents[2]
Whole = tuple[RunConfig, Report]


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server with an empty store."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", child, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(timeout=60)


def _wait_for(address: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert child.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"no server after 180 s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def logged(whole: Whole, server: str) -> tuple[RunConfig, Report, MlflowClient, str]:
    """The whole run, logged to the server; the id of its parent."""
    config, _ = whole
    with tiny_run.names():
        config = replace(config, tracking_uri=server)
        report = execute(config, plain=True, make_engine=tiny_run.make_engine)
    client = MlflowClient(tracking_uri=server)
    (parent,) = parents(client)
    return config, report, client, parent.info.run_id


def all_runs(client: MlflowClient) -> list[Any]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments))


def parents(client: MlflowClient) -> list[Any]:
    return [run for run in all_runs(client) if "mlflow.parentRunId" not in run.data.tags]


def children(client: MlflowClient, parent: str) -> dict[str, Any]:
    return {
        run.info.run_name: run
        for run in all_runs(client)
        if run.data.tags.get("mlflow.parentRunId") == parent
    }


Logged = tuple[RunConfig, Report, MlflowClient, str]


def test_an_invocation_is_one_parent_with_a_child_for_each_method_and_seed(logged: Logged) -> None:
    config, _, client, parent = logged
    found = children(client, parent)
    assert set(found) == {f"{m} seed {s}" for m in config.methods for s in config.seeds}
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}
    experiment = client.get_experiment(client.get_run(parent).info.experiment_id)
    assert experiment.name == "small"


def test_parameters_are_flat_and_complete(logged: Logged) -> None:
    config, _, client, parent = logged
    child = children(client, parent)["counting seed 1"]
    for params in (client.get_run(parent).data.params, child.data.params):
        assert params["finetune.steps"] == "2"
        assert params["suite"] == "small"
        assert params["methods"] == json.dumps(list(config.methods))
        assert params["sandbox.memory_mib"] == str(config.sandbox.memory_mib)
    assert (child.data.params["method"], child.data.params["seed"]) == ("counting", "1")


def test_losses_are_logged_step_by_step(logged: Logged) -> None:
    _, _, client, parent = logged
    run = children(client, parent)["counting seed 0"].info.run_id
    fit = client.get_metric_history(run, "synthesize/loss")
    assert [(point.step, point.value) for point in fit] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    tuning = client.get_metric_history(run, "finetune/loss")
    assert [point.step for point in tuning] == [1, 2]
    assert all(point.value > 0 for point in tuning)


def test_counts_scores_and_times_of_every_stage_are_metrics(logged: Logged) -> None:
    _, report, client, parent = logged
    run = children(client, parent)["counting seed 0"]
    metrics = run.data.metrics
    assert metrics["decontaminate/kept"] == 5
    assert metrics["decontaminate/dropped.over budget"] == 5
    assert metrics["evaluate/pass_at_1"] == 1.0
    stages = ("synthesize", "filter-instructions", "respond", "filter-responses", "decontaminate",
              "finetune", "evaluate")  # fmt: skip
    assert all(metrics[f"seconds/{stage}"] > 0 for stage in stages)
    assert all(len(run.data.tags[f"stage.{stage}"]) == 64 for stage in stages)
    assert run.data.tags["reused.evaluate"] == "true"
    assert metrics["describe/references.memorisation.exact"] == 0.0
    assert metrics["describe/n"] == 10
    assert len(run.data.tags["stage.describe"]) == 64
    whole_run = client.get_run(parent).data.metrics
    assert whole_run["counting/pass_at_1"] == report.rows[2].scores[0].value
    assert whole_run["gold/failures"] == 0


def test_data_sets_are_inputs_with_digests(logged: Logged) -> None:
    _, _, client, parent = logged
    found = children(client, parent)

    def inputs(run: Any) -> dict[str, tuple[str, str, str]]:
        return {
            item.dataset.name: (
                item.dataset.digest,
                item.tags[0].value,
                json.loads(item.dataset.profile)["num_rows"],
            )
            for item in client.get_run(run).inputs.dataset_inputs
        }

    one, other = (inputs(found[f"counting seed {seed}"].info.run_id) for seed in (0, 1))
    assert {name: value[1:] for name, value in one.items()} == {
        "references": ("fit", 4), "synthetic": ("training", 5), "test": ("evaluation", 3),
    }  # fmt: skip
    assert one["references"] == other["references"]
    assert one["test"] == other["test"]
    assert len({value[0] for value in one.values()}) == 3
    assert set(inputs(parent)) == {"references", "test"}


def test_the_table_is_a_table_artifact(
    logged: Logged, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)  # load_table searches there alone
    _, report, client, parent = logged
    assert {"pass_at_1.json", "funnel.json", "report.json", "config.json"} <= {
        item.path for item in client.list_artifacts(parent)
    }
    frame = client.load_table(client.get_run(parent).info.experiment_id, "pass_at_1.json", [parent])
    assert list(frame["method"]) == [row.method for row in report.rows]
    assert list(frame["pass@1"]) == [row.scores[0].value for row in report.rows]
    assert list(frame["low"]) == pytest.approx([row.scores[0].low for row in report.rows])
    steps = client.load_table(client.get_run(parent).info.experiment_id, "funnel.json", [parent])
    counted = steps[steps["method"] == "counting"].set_index("step")
    assert (counted["in"] == counted["kept"] + counted["dropped"]).all()
    assert counted.loc["fine-tuned on", "dropped by reason"] == '{"over budget": 10}'


def test_a_row_that_failed_is_a_failed_child_with_its_reason(whole: Whole, tmp_path: Path) -> None:
    config, _ = whole
    config = replace(
        config, seeds=(0,), tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
        method_options={"counting": {"supply": 0}},
    )  # fmt: skip
    report = execute(config, plain=True, make_engine=tiny_run.make_engine)
    client = MlflowClient(tracking_uri=config.tracking_uri)
    (parent,) = parents(client)
    found = children(client, parent.info.run_id)
    statuses = {name: run.info.status for name, run in found.items()}
    assert statuses == {
        "no-data seed 0": "FINISHED", "repeating seed 0": "FINISHED", "counting seed 0": "FAILED",
    }  # fmt: skip
    reason = report.rows[2].failures[0].reason
    assert found["counting seed 0"].data.tags["failure"] == f"finetune: {reason}"
    table = client.download_artifacts(parent.info.run_id, "pass_at_1.json", str(tmp_path))
    assert "the method returned nothing" in Path(table).read_text()


def test_the_parent_says_what_came_out_and_holds_the_page(logged: Logged, tmp_path: Path) -> None:
    _, report, client, parent = logged
    tags = client.get_run(parent).data.tags
    note = tags["mlflow.note.content"]
    assert "Estimates of 2 seeds × 3 problems and no verdict" in note
    assert "| counting | 100.0 |" in note
    assert (tags["invocation"], tags["failed"]) == (report.name, "false")
    assert (tags["suite"], tags["split"]) == ("small", "test")
    path = client.download_artifacts(parent, "report/report.html", str(tmp_path))
    assert report.name in Path(path).read_text()
    figures = {item.path for item in client.list_artifacts(parent, "report/figures")}
    assert {"report/figures/pass_at_1.png", "report/figures/growth.svg"} <= figures


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_dashboard_shows_run_table_and_figure_in_a_browser(
    logged: Logged, server: str, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium: apt-get install chromium")
    _, report, client, parent = logged
    run = client.get_run(parent)
    experiment = f"/experiments/{run.info.experiment_id}"
    home = f"{experiment}/runs/{parent}"

    def look(page: str, *options: str) -> str:
        profile = Path(tempfile.mkdtemp(dir=tmp_path))  # a lock or a cache of the last look is none
        command = [browser, *BROWSER, f"--user-data-dir={profile}", *options, f"{server}/#{page}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
        return done.stdout

    overview = look(home, "--dump-dom")
    assert f"{report.name}</" in overview, "the run bears the report's name"
    assert all(f"{m} seed {s}" in overview for m in report_methods(report) for s in (0, 1))
    assert "Estimates of 2 seeds × 3 problems and no verdict" in overview
    table = look(f"{home}/artifacts/pass_at_1.json", "--dump-dom")
    assert all(row.method in table for row in report.rows)
    figure = look(f"{home}/artifacts/report/figures/pass_at_1.png", "--dump-dom")
    assert "<img" in figure
    assert "pass_at_1.png" in figure
    registered = look("/models/small.counting.lora", "--dump-dom")
    assert "PeftModel.from_pretrained" in registered
    assert report.name in registered
    runs = look(f"{experiment}/runs", "--dump-dom")
    assert "Synthesis methods compared on small" in runs
    pages = {"overview": home, "runs": f"{experiment}/runs",
             "model": "/models/small.counting.lora"}  # fmt: skip
    for name, page in pages.items():
        shot = tmp_path / f"{name}.png"
        look(page, f"--screenshot={shot}")
        assert shot.read_bytes().startswith(b"\x89PNG")
        assert shot.stat().st_size > 50_000, "an empty page is smaller"


def report_methods(report: Report) -> list[str]:
    return [row.method for row in report.rows]


BROWSER = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,1500", "--virtual-time-budget=30000",
)  # fmt: skip


def test_each_row_says_what_it_came_to_and_registers_its_adapter_once(
    logged: Logged, server: str
) -> None:
    config, report, client, parent = logged
    row = children(client, parent)["counting seed 1"]
    assert row.data.tags["mlflow.note.content"].startswith(
        "counting, seed 1: Pass@1 100.0 % of 3 problems; 10 drawn, 5 pairs kept."
    )
    names = {model.name for model in client.search_registered_models()}
    assert names == {"small.repeating.lora", "small.counting.lora"}
    versions = client.search_model_versions("name = 'small.counting.lora'")
    assert {v.tags["seed"] for v in versions} == {"0", "1"}
    assert {v.tags["pass_at_1"] for v in versions} == {"1.0000"}
    assert {v.tags["invocation"] for v in versions} == {report.name}
    assert {v.run_id for v in versions} == {
        children(client, parent)[f"counting seed {seed}"].info.run_id for seed in (0, 1)
    }
    execute(config, plain=True, make_engine=tiny_run.make_engine)
    assert len(client.search_model_versions("name = 'small.counting.lora'")) == 2
    (model,) = client.search_registered_models("name = 'small.counting.lora'")
    found = run_snippet(str(model.description))
    assert found["model"].peft_config["default"].r == config.finetune.rank


def test_adapters_above_the_limit_are_not_registered(whole: Whole, tmp_path: Path) -> None:
    config = replace(
        whole[0], register_mib=0, seeds=(0,), tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}"
    )
    execute(config, plain=True, make_engine=tiny_run.make_engine)
    client = MlflowClient(tracking_uri=config.tracking_uri)
    assert not client.search_registered_models()
    assert len(parents(client)) == 1


def test_an_ended_run_keeps_no_tags_of_its_process(logged: Logged) -> None:
    _, _, client, parent = logged
    runs = [client.get_run(parent), *children(client, parent).values()]
    assert not [tag for run in runs for tag in run.data.tags if tag.startswith("domino.")]


def test_samples_are_artifacts(logged: Logged, tmp_path: Path) -> None:
    _, _, client, parent = logged
    run = children(client, parent)["counting seed 0"].info.run_id
    folders = {item.path for item in client.list_artifacts(run)}
    assert folders == {"synthesize", "decontaminate", "evaluate", "adapters"}
    path = client.download_artifacts(run, "decontaminate/kept.jsonl", str(tmp_path))
    pairs = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert len(pairs) == 5
    assert all(pair["instruction"] and pair["response"] for pair in pairs)


def test_the_code_and_the_libraries_are_tags(logged: Logged) -> None:
    import torch

    _, _, client, parent = logged
    tags = client.get_run(parent).data.tags
    git = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if git.returncode == 0:
        assert len(tags["mlflow.source.git.commit"]) == len(git.stdout.strip())
        assert tags["git.dirty"] in ("true", "false")
    assert torch.__version__.startswith(tags["version.torch"].split("+")[0])
    assert {"version.transformers", "version.peft", "version.trl", "version.python"} <= set(tags)


def test_a_failure_ends_both_runs_as_failed_and_an_interrupt_as_killed(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _, client, first = logged
    for error, status in ((RuntimeError("a defect"), "FAILED"), (KeyboardInterrupt(), "KILLED")):
        before = {run.info.run_id for run in all_runs(client)}

        def fail(*_: object, raised: BaseException = error, **__: object) -> None:
            raise raised

        monkeypatch.setattr("benchmarks.stages.evaluate.run", fail)
        broken = replace(config, evaluate=replace(config.evaluate, max_new_tokens=77))
        with pytest.raises(type(error)):
            execute(broken, plain=True, make_engine=tiny_run.make_engine)
        new = [run for run in all_runs(client) if run.info.run_id not in before]
        assert [run.info.status for run in new] == [status, status]
    assert first not in {run.info.run_id for run in new}


def test_runs_of_a_dead_process_are_ended_at_the_next_start_and_others_are_not(
    logged: Logged, server: str
) -> None:
    config, _, client, parent = logged
    experiment = client.get_run(parent).info.experiment_id
    dead = subprocess.run(
        [sys.executable, "-c", "import json; from benchmarks.store.provenance import process_tags; "
         "print(json.dumps(process_tags()))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    left = client.create_run(experiment, tags=json.loads(dead.stdout))
    ours = client.create_run(experiment, tags=process_tags())
    strange = client.create_run(experiment, tags={})
    elsewhere = client.create_run(experiment, tags={**json.loads(dead.stdout),
                                                    "domino.host": "another machine"})  # fmt: skip
    one_row = replace(config, methods=("no-data",), seeds=(0,))
    execute(one_row, plain=True, make_engine=tiny_run.make_engine)
    status = [client.get_run(run.info.run_id).info.status for run in
              (left, ours, strange, elsewhere)]  # fmt: skip
    assert status == ["KILLED", "RUNNING", "RUNNING", "RUNNING"]
    for run in (ours, strange, elsewhere):
        client.set_terminated(run.info.run_id)


def test_without_an_address_a_database_beside_the_runs_is_used(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    config, _ = whole
    (tmp_path / "runs").symlink_to(config.output)
    (tmp_path / "Makefile").touch()  # elsewhere `make dashboard` would show other runs, or nothing
    config = replace(
        config, output=Path("runs"), tracking_uri=None, methods=("no-data",), seeds=(0,)
    )
    for _ in range(2):
        execute(config, plain=True, make_engine=tiny_run.make_engine)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert len(parents(client)) == 2
    assert all(len(children(client, parent.info.run_id)) == 1 for parent in parents(client))
    assert (tmp_path / "mlruns").is_dir()
    assert "dashboard: make dashboard" in capsys.readouterr().out


def test_the_place_is_the_option_then_the_environment_then_beside_the_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = tmp_path / "runs"
    assert tracking_place(None, output).uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert tracking_place(None, output).artifacts == (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    assert tracking_place(None, output).uri == "http://example.org"
    assert tracking_place("sqlite:///x.db", output).uri == "sqlite:///x.db"
    assert tracking_place("sqlite:///x.db", output).artifacts is None


def log_a_study(folder: Path) -> list[str]:
    """Log a study beside runs in this folder; return what was said."""
    said: list[str] = []
    pipeline: Any = SimpleNamespace(config=SimpleNamespace(suite="housestyle"))
    tracker = StudyTracker(tracking_place(None, folder / "runs"), warn=said.append)
    with tracker.study(pipeline, "a study", {"trials": 3}):
        pass
    return said


def test_below_a_folder_of_any_name_all_is_logged_and_a_deleted_experiment_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "feature%2Fx a?b#c é"
    folder.mkdir()
    assert log_a_study(folder) == []
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    place = tracking_place(None, folder / "runs")
    client = MlflowClient(tracking_uri=place.uri)
    found = client.get_experiment_by_name("housestyle")
    assert found is not None
    (run,) = client.search_runs([found.experiment_id])
    client.log_text(run.info.run_id, "x", "x.txt")
    assert [path.name for path in (folder / "mlruns").rglob("*.txt")] == ["x.txt"]
    client.delete_experiment(found.experiment_id)
    (said,) = log_a_study(folder)
    assert "'housestyle' had been deleted, and is restored" in said
    assert len(client.search_runs([found.experiment_id])) == 1


def test_a_database_that_cannot_be_opened_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").mkdir()
    (said,) = log_a_study(tmp_path)
    assert "unable to open database file" in said


def test_a_process_is_known_by_more_than_its_number() -> None:
    tags = process_tags()
    assert not started_by_dead_process(tags)
    assert started_by_dead_process({**tags, "domino.process_began": "1"}), "the number is reused"
    assert started_by_dead_process({**tags, "domino.boot": "another boot"})
    assert not started_by_dead_process({**tags, "domino.host": "another machine"})
    assert not started_by_dead_process({})
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child_tags = {**tags, "domino.pid": str(child.pid)}
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie lives no more
        assert started_by_dead_process(child_tags)


def test_outside_a_repository_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert "mlflow.source.git.commit" not in provenance.machine_tags()
    monkeypatch.setenv("PATH", "")
    assert "mlflow.source.git.commit" not in provenance.machine_tags()


def test_values_are_flattened_for_mlflow() -> None:
    values = {"a": {"b": 1, "c": {}}, "d": [1, 2], "e": None, "f": "x" * 7000, "g": True}
    flat = flatten(values)
    assert {name: flat[name] for name in ("a.b", "a.c", "d", "e", "g")} == {
        "a.b": "1", "a.c": "{}", "d": "[1, 2]", "e": "null", "g": "true",
    }  # fmt: skip
    assert len(flat["f"]) == 6000
    assert numbers({"a": {"b c": 1}, "t": True, "s": "x", "l": [1]}) == {"a.b c": 1.0, "t": 1.0}
    assert metric_name("pass@1 (ü)") == "pass_at_1 ___"


def test_rows_that_are_taken_from_cells_are_children_too(logged: Logged, tmp_path: Path) -> None:
    config, report, client, _ = logged
    config = replace(config, cells=tmp_path / "cells")
    with tiny_run.names():
        execute(config, quiet=True, make_engine=tiny_run.make_engine)
        before = {run.info.run_id for run in parents(client)}
        elsewhere = replace(config, output=tmp_path / "runs")
        assert execute(elsewhere, quiet=True, make_engine=tiny_run.make_engine).stages == 0
    (parent,) = {run.info.run_id for run in parents(client)} - before
    found = children(client, parent)
    assert set(found) == {f"{m} seed {s}" for m in config.methods for s in config.seeds}
    row = found["counting seed 1"].data
    assert row.metrics[metric_name("evaluate/pass@1")] == report.rows[2].scores[0].value
    assert row.tags["reused.evaluate"] == "true"
    assert "describe" in " ".join(row.tags)
    assert row.tags["mlflow.note.content"].startswith("counting, seed 1: Pass@1")
