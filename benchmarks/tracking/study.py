"""A study in MLflow: one run for the study, under it one for each trial with its pipeline's rows.

The study's run is found again by its tag, so that all processes of a study, and whoever resumes
it, log under one.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import flatten
from benchmarks.store.provenance import machine_tags, process_tags
from benchmarks.tracking.tracker import NOTE, TAG_LENGTH, Tracker, guarded
from domino.records import stable_id

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.report.page import StaticReport

_STUDY, _NUMBER, _BEST = "study.id", "trial", "best"


class StudyTracker(Tracker):
    """Logs what one process does for a study."""

    _study: str | None = None

    @contextlib.contextmanager
    def study(self, pipeline: Pipeline, key: str, params: Mapping[str, Any]) -> Iterator[None]:
        """Hold the study's run open.

        Args:
            pipeline: the conditions of all trials.
            key: identifies this study.
            params: how it is searched.
        """
        self._open(pipeline, key, params)
        try:
            yield
        except KeyboardInterrupt:
            self._close("KILLED")
            raise
        except BaseException:
            self._close("FAILED")
            raise
        self._close("FINISHED")

    @contextlib.contextmanager
    def trial(self, pipeline: Pipeline, number: int, params: Mapping[str, Any]) -> Iterator[None]:
        """Hold a trial's run open; rows that begin inside are its children."""
        with self.invocation(pipeline, name=f"trial {number}", under=self._study):
            self._begin_trial(number, params)
            yield

    @guarded
    def log_outcome(self, values: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log the result of the current trial."""
        self._end_child("FINISHED")
        points = [(name, value, 0) for name, value in values.items()]
        self._log(str(self._parent), metrics=points, tags=tags)

    @guarded
    def tag_best(self, number: int, value: float) -> None:
        """Tag the best trial's run, and no other of the study."""
        query = f"tags.`mlflow.parentRunId` = '{self._study}'"
        for run in self._client.search_runs([self._experiment], query, max_results=10_000):
            is_best = run.data.tags.get(_NUMBER) == str(number)
            if is_best:
                self._client.set_tag(run.info.run_id, _BEST, "true")
            elif _BEST in run.data.tags:
                self._client.delete_tag(run.info.run_id, _BEST)
        self._log(str(self._study), metrics=[("best value", value, 0)])

    @guarded
    def log_study(self, page: StaticReport) -> None:
        """Log the study's page, tables and figures to its run, which they also describe."""
        with tempfile.TemporaryDirectory() as folder:
            page.write(Path(folder))
            self._client.log_artifacts(str(self._study), folder, artifact_path="report")
        note = f"{page.summary}\nComplete report: artifact `report/report.html`."
        self._log(str(self._study), tags={NOTE: note[:TAG_LENGTH]})

    @guarded
    def _open(self, pipeline: Pipeline, key: str, params: Mapping[str, Any]) -> None:
        self._experiment = self._find_experiment(pipeline.config.suite)
        self._end_dead_runs()
        identity = stable_id(key)
        query = f"tags.`{_STUDY}` = '{identity}'"
        found = self._client.search_runs(
            [self._experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        if found:
            self._study = found[0].info.run_id
            self._client.update_run(self._study, status="RUNNING")
        else:
            tags = {_STUDY: identity, **process_tags(), **machine_tags()}
            run = self._client.create_run(self._experiment, run_name=f"study {key}", tags=tags)
            self._study = run.info.run_id
            self._log(self._study, params=flatten(params))

    @guarded
    def _close(self, status: str) -> None:
        self._parent = self._study  # what `where` names
        if self._study is not None:
            self._client.set_terminated(self._study, status=status)

    @guarded
    def _begin_trial(self, number: int, params: Mapping[str, Any]) -> None:
        named = {f"trial.{name}": value for name, value in flatten(params).items()}
        self._log(str(self._parent), params=named, tags={_NUMBER: str(number)})
