"""Launchers by name: an explicit map from a run's choice to what carries its stages out.

A launcher only changes how the stages of a pipeline become complete in the store. The rows are
walked by the same code, so table, MLflow and report do not know of it.
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
    """Gives, for a block, the pipeline whose stages the launcher carries out."""


@contextmanager
def _local(config: RunConfig) -> Iterator[Launch]:
    if config.local.processes == 1 or config.engine != "transformers" or config.teaches:
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
"""Launcher name to what makes it ready; a library is imported when its launcher is chosen."""


def open_launcher(config: RunConfig) -> AbstractContextManager[Launch]:
    """Make a run's launcher ready, before any work.

    Raises:
        ConfigError: its library is missing, or its cluster cannot be reached or is too small.
    """
    return LAUNCHERS[config.launcher](config)
