"""MLflow: one parent run per command, one child per method and seed. The only file that imports it.

Everything is logged from finished stages, new or reused, so that child runs are always complete. If
MLflow cannot be reached there is one warning and no result is lost: repeating the command later
logs everything from the store.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from benchmarks.common.fields import flatten
from benchmarks.common.files import sqlite_file
from benchmarks.stages.curves import LOSSES, Metrics
from benchmarks.stages.sieve import KEPT
from benchmarks.store.provenance import (
    PROCESS_TAGS,
    machine_tags,
    process_tags,
    started_by_dead_process,
)
from benchmarks.store.store import Stage, canonical_json
from benchmarks.tracking.registry import adapter_tags, adapters_of, register
from benchmarks.tracking.values import Place, experiment_note, metric_name, numbers, row_note

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.report.page import StaticReport
    from benchmarks.report.terminal import Report

_PARAMS_A_BATCH = 100
_METRICS_A_BATCH = 1000
_DIGEST_LENGTH = 36
TAG_LENGTH = 5000
NOTE = "mlflow.note.content"  # what MLflow shows as a description
_KIND = "mlflow.experimentKind"  # which of its pages MLflow opens: training's, not chats'
_DELETED = "deleted"
_SAMPLES = ("synthesize/synthetic.jsonl", "decontaminate/kept.jsonl", "evaluate/programs.jsonl",
            "evaluate/verdicts.jsonl")  # fmt: skip
_P = ParamSpec("_P")
_TrackerT = TypeVar("_TrackerT", bound="Tracker")


def guarded(
    method: Callable[Concatenate[_TrackerT, _P], None],
) -> Callable[Concatenate[_TrackerT, _P], None]:
    """Turn a failure of MLflow into one warning; results never depend on MLflow."""

    @functools.wraps(method)
    def call(self: _TrackerT, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        if not self.works:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever MLflow raises
            self.give_up(error)

    return call


class Tracker:
    """Logs one command."""

    def __init__(self, place: Place, *, warn: Callable[[str], None]) -> None:
        """Log to `place`, which is first contacted by `invocation`. `warn` shows one line."""
        self.works = True
        self._place = place
        self._warn = warn
        self._parent: str | None = None
        self._child: str | None = None
        self._children: dict[tuple[str, int], str] = {}
        self._experiment = ""
        self._named = False
        self._inputs: list[Any] = []
        self._params: dict[str, str] = {}
        self._points: list[tuple[str, float, int]] = []
        self._tags: dict[str, str] = {}

    @functools.cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        _require_database(self._place.uri)
        return MlflowClient(tracking_uri=self._place.uri)

    @contextlib.contextmanager
    def invocation(
        self, pipeline: Pipeline, *, name: str | None = None, under: str | None = None
    ) -> Iterator[None]:
        """Open the parent run for a block; it and its last child end with the block.

        Args:
            pipeline: what is run.
            name: the parent run's name; None is suite and time, and the report's name once it has
                one, which distinguishes runs whose names the dashboard shortens.
            under: id of the run that the parent is itself a child of.
        """
        self._begin(pipeline, name, {"mlflow.parentRunId": under} if under else {})
        try:
            yield
        except KeyboardInterrupt:
            self._end("KILLED")
            raise
        except BaseException:
            self._end("FAILED")
            raise
        self._end("FINISHED")

    def give_up(self, error: BaseException) -> None:
        """Warn once that MLflow does not work, and log nothing more."""
        self.works = False
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        self._warn(
            f"warning: MLflow at {self._place.uri} failed ({reason}); the run continues, and all "
            "its results are in the run directory. Repeat the command to log them."
        )

    def where(self) -> str:
        """Return the line that says how to see the run in MLflow."""
        if not self.works:
            return f"MLflow: not logged ({self._place.uri} failed)"
        return (
            f"MLflow: run {self._parent} in {self._place.uri}; dashboard: {self._place.dashboard}"
        )

    @guarded
    def _begin(self, pipeline: Pipeline, name: str | None, tags: Mapping[str, str]) -> None:
        config = pipeline.config
        self._named = name is not None
        self._experiment = self._find_experiment(config.suite)
        self._end_dead_runs()
        self._inputs = _common_inputs(pipeline)
        self._params = flatten(json.loads(canonical_json(config)))
        run = self._client.create_run(
            self._experiment,
            run_name=name or f"{config.suite} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            tags={**process_tags(), **machine_tags(), **tags},
        )
        self._parent = run.info.run_id
        self._log(self._parent, params=self._params)
        self._client.log_inputs(self._parent, datasets=self._inputs)
        self._client.log_dict(self._parent, json.loads(canonical_json(config)), "config.json")

    @guarded
    def begin_row(self, method: str, seed: int) -> None:
        """End the last child and begin the next."""
        self._end_child("FINISHED")
        tags = {**process_tags(), "mlflow.parentRunId": str(self._parent)}
        run = self._client.create_run(self._experiment, run_name=f"{method} seed {seed}", tags=tags)
        self._child = run.info.run_id
        self._children[method, seed] = run.info.run_id
        self._log(self._child, params={**self._params, "method": method, "seed": str(seed)})

    @guarded
    def fail_row(self, reason: str) -> None:
        """End the current row as failed."""
        self._tags["failure"] = reason[:TAG_LENGTH]
        self._tags[NOTE] = f"Failed in {reason}"[:TAG_LENGTH]
        self._end_child("FAILED")

    @guarded
    def log_stage(self, stage: Stage, *, reused: bool) -> None:
        """Log a finished stage to the current row: counts, seconds, curves, samples."""
        values = {f"{stage.name}/{name}": value for name, value in numbers(stage.summary).items()}
        values[f"seconds/{stage.name}"] = stage.seconds
        self._points += [(name, value, 0) for name, value in values.items()]
        self._points += [
            (f"{stage.name}/{name}", value, point.step)
            for point in stage.read(LOSSES, Metrics)
            for name, value in point.values.items()
        ]
        self._tags[f"stage.{stage.name}"] = stage.address
        self._tags[f"reused.{stage.name}"] = str(reused).lower()
        if not reused:  # what is reused comes in one request with the next stage, or the row's end
            self._flush()
        self._log_files(self._open_run, stage)

    @guarded
    def log_description(self, row: tuple[str, int] | None, stage: Stage) -> None:
        """Log properties of a row's data to its ended run; those of the domain to the parent."""
        self._end_child("FINISHED")
        run = str(self._parent) if row is None else self._children[row]
        values = {f"{stage.name}/{name}": value for name, value in numbers(stage.summary).items()}
        values[f"seconds/{stage.name}"] = stage.seconds
        points = [(name, value, 0) for name, value in values.items()]
        self._log(run, metrics=points, tags={f"stage.{stage.name}": stage.address})

    @guarded
    def log_report(self, report: Report) -> None:
        """Log the Pass@1 table, the funnel, and each row's scores, to the parent."""
        self._end_child("FINISHED")
        parent = str(self._parent)
        self._client.log_table(parent, data=report.columns(), artifact_file="pass_at_1.json")
        self._client.log_table(parent, data=report.funnel_columns(), artifact_file="funnel.json")
        self._client.log_dict(parent, report.to_dict(), "report.json")
        points = [
            (metric_name(f"{row.method}/{score.metric}"), score.value, 0)
            for row in report.rows
            for score in row.scores
        ]
        self._log(parent, metrics=points)

    @guarded
    def log_page(self, page: StaticReport, report: Report) -> None:
        """Log the HTML page, its tables and figures to the parent, which they also describe."""
        parent = str(self._parent)
        with tempfile.TemporaryDirectory() as folder:
            page.write(Path(folder))
            self._client.log_artifacts(parent, folder, artifact_path="report")
        about = report.about
        tags = {
            NOTE: f"{page.summary}\nComplete report: artifact `report/report.html`.",
            "invocation": report.name,
            **({} if self._named else {"mlflow.runName": report.name}),
            **{name: str(about[name]) for name in ("suite", "variant", "split", "responder")},
            "failed": str(report.failed).lower(),
        }
        self._log(parent, tags={name: text[:TAG_LENGTH] for name, text in tags.items() if text})

    @guarded
    def log_rows(self, rows: Sequence[SeedRun], name: str, config: RunConfig) -> None:
        """Describe the result of each row's run, and register its adapters, one version each.

        Args:
            rows: those that did not fail.
            name: the invocation's.
            config: of the run; `register_mib` says how large an adapter may be.
        """
        for row in rows:
            run = self._children[row.method, row.seed]
            self._log(run, tags={NOTE: row_note(row, name)})
            for adapter in adapters_of(row, config.register_mib * 2**20):
                tags = {"invocation": name, **adapter_tags(adapter, row)}
                register(self._client, adapter, config, run, uri=self._place.uri, tags=tags)

    @guarded
    def _end(self, status: str) -> None:
        self._end_child(status)
        if self._parent is not None:
            self._terminate(self._parent, status)

    def _terminate(self, run: str, status: str) -> None:
        """End a run; the tags that identify its process are then no longer needed."""
        self._client.set_terminated(run, status=status)
        for name in PROCESS_TAGS:
            self._client.delete_tag(run, name)

    @property
    def _open_run(self) -> str:
        """The current row's run, the parent before the first row."""
        return self._child or str(self._parent)

    def _flush(self) -> None:
        points, self._points = self._points, []
        tags, self._tags = self._tags, {}
        self._log(self._open_run, metrics=points, tags=tags)

    def _end_child(self, status: str) -> None:
        self._flush()
        if self._child is not None:
            self._terminate(self._child, status)
            self._child = None

    def _find_experiment(self, name: str) -> str:
        """Return the experiment's id, made where it is not there, restored where it was deleted.

        MLflow keeps the name of a deleted experiment, so that no other can be made in its place.
        """
        found = self._client.get_experiment_by_name(name)
        tags = {_KIND: "custom_model_development", NOTE: experiment_note(name)}
        if found is None:
            return self._client.create_experiment(name, self._place.artifacts, tags)
        if found.lifecycle_stage == _DELETED:
            self._client.restore_experiment(found.experiment_id)
            self._warn(
                f"MLflow: experiment {name!r} had been deleted, and is restored with its runs"
            )
        for key, value in tags.items():
            if key not in found.tags:  # what a user has written there stays
                self._client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)

    def _end_dead_runs(self) -> None:
        """End the runs that a killed process of this machine left open."""
        experiments = [found.experiment_id for found in self._client.search_experiments()]
        for run in self._client.search_runs(experiments, "attributes.status = 'RUNNING'"):
            if started_by_dead_process(run.data.tags):
                self._client.set_terminated(run.info.run_id, status="KILLED")

    def _log_files(self, run: str, stage: Stage) -> None:
        for sample in _SAMPLES:
            name, _, file = sample.partition("/")
            if name == stage.name and (stage.path / file).is_file():
                self._client.log_artifact(run, str(stage.path / file), artifact_path=name)
        if stage.name == "decontaminate":
            synthetic = _dataset("synthetic", stage.digests.get(KEPT, "empty"), stage.path / KEPT,
                                 stage.summary["kept"], "training")  # fmt: skip
            self._client.log_inputs(run, datasets=[*self._inputs, synthetic])

    def _log(
        self,
        run: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Sequence[tuple[str, float, int]] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log in as few requests as MLflow's limits allow."""
        from mlflow.entities import Metric, Param, RunTag

        for batch in _batches([Param(k, v) for k, v in (params or {}).items()], _PARAMS_A_BATCH):
            self._client.log_batch(run, params=batch)
        now = int(time.time() * 1000)
        points = [Metric(metric_name(name), value, now, step) for name, value, step in metrics]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        for batch in _batches(points, _METRICS_A_BATCH - len(labels)):
            self._client.log_batch(run, metrics=batch, tags=labels)
            labels = []
        if labels:
            self._client.log_batch(run, tags=labels)


def _require_database(uri: str) -> None:
    """Raise at once what is wrong with a database file; MLflow would try for 102 seconds."""
    file = sqlite_file(uri)
    if file is not None and file.name:
        file.parent.mkdir(parents=True, exist_ok=True)  # as MLflow does
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("SELECT name FROM sqlite_master")


def _batches(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    pending = iter(items)
    while batch := list(islice(pending, size)):
        yield batch


def _common_inputs(pipeline: Pipeline) -> list[Any]:
    """Return the data that all rows share: references and problems."""
    config = pipeline.config
    options = config.suite_options
    return [
        _dataset("references", pipeline.references_digest, options.references_path or config.suite,
                 len(pipeline.references), "fit"),
        _dataset(config.evaluate.split, pipeline.suite_digest, options.dataset or config.suite,
                 pipeline.problem_counts[config.evaluate.split], "evaluation"),
    ]  # fmt: skip


def _dataset(name: str, digest: str, source: Path | str, count: int, context: str) -> Any:
    """Return an MLflow dataset input: its digest, where it lies, how many it holds, its use."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    dataset = Dataset(
        name=name,
        digest=digest[:_DIGEST_LENGTH],
        source_type="local" if isinstance(source, Path) else "code",
        source=json.dumps({"uri": str(source)}),
        profile=json.dumps({"num_rows": count}),
    )
    return DatasetInput(dataset=dataset, tags=[InputTag(MLFLOW_DATASET_CONTEXT, context)])
