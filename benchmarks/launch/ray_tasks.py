"""Runs the stages of a run as Ray tasks."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.launch.errors import LaunchError
from benchmarks.launch.ray_shards import Shards
from benchmarks.launch.tasks import Tasks
from benchmarks.launch.worker import RunSpec, StageResult, StageTask, do

if TYPE_CHECKING:
    from benchmarks.launch.ray_cluster import Cluster
    from benchmarks.pipeline.pipeline import Pipeline, StageCall

_ASK_EVERY_S = 0.5
_SEEN_WITHIN_S = 60.0  # a network file system shows another machine's files with a delay
_END_WITHIN_S = 30.0


class RayTasks(Tasks):
    """Stages on the machines of a cluster."""

    def __init__(self, cluster: Cluster, pipeline: Pipeline) -> None:
        """Start no stage yet."""
        super().__init__()
        self._cluster = cluster
        self._order = RunSpec(config=pipeline.config, directory=str(Path.cwd())).packed()
        self._shards = Shards(
            count=pipeline.config.ray.shards, packed=self._order,
            options=cluster.options("generate"), checking=cluster.options("execute"),
        )  # fmt: skip
        self._references: dict[str, Any] = {}

    def stop(self) -> None:
        """Cancel unfinished stages; they finish their current record first, if it is short."""
        import ray

        pending = self._unfinished()
        for address in pending:
            ray.cancel(self._references[address])
        try:
            wait([self._futures[address] for address in pending], timeout=_END_WITHIN_S)
        finally:  # also if Ctrl-C is pressed again
            for address in pending:
                if not self._futures[address].done():
                    ray.cancel(self._references[address], force=True)

    def _begin(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        import ray

        kind = self._cluster.kind(call.stage.name)
        options = self._cluster.options(kind)
        task = StageTask.of(call, model=pipeline.context.model, threads=options["num_cpus"])
        equip = self._shards if kind == "generate" and self._shards.count > 1 else None
        remote: Any = ray.remote(do).options(
            name=f"{call.row} {call.stage.name}", max_retries=self._cluster.config.ray.retries,
            **options,
        )  # fmt: skip
        reference = self._references[call.stage.address] = remote.remote(self._order, task, equip)
        future: Future[StageResult] = reference.future()
        return future

    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        """Show the number of finished stages of the run until this one has finished."""
        if future.done():
            return
        shown = self._over
        pipeline.display.start(f"on Ray, until {call.stage.name}", pipeline.steps)
        pipeline.display.advance(shown)
        while not future.done():
            wait([future], timeout=_ASK_EVERY_S)
            pipeline.store.between()
            over = self._over
            pipeline.display.advance(over - shown)
            shown = over

    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        """Wait for a stage, and return its result when its files are visible here.

        Raises:
            LaunchError: its machines died, or its files are not visible here.
            Exception: raised by the stage.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            done = future.result()
        except RayTaskError as error:
            if isinstance(error.cause, RayError) or not isinstance(error.cause, Exception):
                raise _lost(call, error) from error
            raise error.cause from error
        except RayError as error:
            raise _lost(call, error) from error
        _wait_until_seen(call, done)
        return done


def _wait_until_seen(call: StageCall, done: StageResult) -> None:
    until = time.monotonic() + _SEEN_WITHIN_S
    while not call.stage.complete:
        if time.monotonic() > until:
            raise LaunchError(
                f"{done.node} finished {call.stage.name}, but {call.stage.path} is not visible "
                "here: give an --output that every machine of the cluster has at the same path"
            )
        time.sleep(_ASK_EVERY_S)


def _lost(call: StageCall, error: Exception) -> LaunchError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return LaunchError(
        f"{call.row}: {call.stage.name} was lost on the cluster ({type(error).__name__}: {reason})"
        "; finished stages are stored: repeat the command to resume"
    )
