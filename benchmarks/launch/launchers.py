"""Launchers by name: they decide where the stages of a run are computed.

A launcher only changes how stages become complete in the store. Rows are processed by the same
code, so table, MLflow and report do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.launch.ahead import WalkRow
    from benchmarks.pipeline.pipeline import Pipeline

    Launch = Callable[[Pipeline, WalkRow], AbstractContextManager[Pipeline]]
    """Yields a pipeline whose stages the launcher computes."""


@contextmanager
def _local(config: RunConfig) -> Iterator[Launch]:
    if config.local.processes == 1 or config.engine != "transformers":
        yield lambda pipeline, walk: nullcontext(pipeline)
        return
    from benchmarks.launch.local_tasks import LocalTasks
    from benchmarks.launch.tasks import all_rows_at_once

    yield lambda pipeline, walk: all_rows_at_once(LocalTasks(pipeline), pipeline, walk)


@contextmanager
def _ray(config: RunConfig) -> Iterator[Launch]:
    from benchmarks.launch.ray_cluster import connected
    from benchmarks.launch.ray_tasks import RayTasks
    from benchmarks.launch.tasks import all_rows_at_once

    with connected(config) as cluster:
        yield lambda pipeline, walk: all_rows_at_once(RayTasks(cluster, pipeline), pipeline, walk)


LAUNCHERS: Mapping[str, Callable[[RunConfig], AbstractContextManager[Launch]]] = MappingProxyType(
    {"local": _local, "ray": _ray}
)
"""Launcher name to the function that starts it; libraries are imported when it is chosen."""


def open_launcher(config: RunConfig) -> AbstractContextManager[Launch]:
    """Start a run's launcher, before any work.

    Raises:
        ConfigError: its library is missing, or its cluster cannot be reached or is too small.
    """
    return LAUNCHERS[config.launcher](config)
