"""What another process does for a run, here or on another machine: one stage, given as a task.

Nothing here knows who sends the tasks. The process must see the run directory, the model and the
suite's data at the same paths as the one that started the run, and have the same code: the stage's
address says so.
"""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.process import prepare_process
from benchmarks.console.display import Display
from benchmarks.console.interruption import Interruption
from benchmarks.launch.errors import LaunchError
from benchmarks.stages import embed
from benchmarks.stages.context import NullProgress
from benchmarks.store.store import Stage

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline, StageCall
    from benchmarks.stages.context import StageContext
    from domino.records import Reference


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """What all tasks of a run share.

    Attributes:
        config: of the run.
        directory: where it was started; relative paths are meant from there.
    """

    config: RunConfig
    directory: str

    def packed(self) -> bytes:
        """Return it as bytes, by which a machine knows it again."""
        return pickle.dumps(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTask:
    """A stage's work in terms that another machine understands: stages by their directories.

    Attributes:
        model: directory of the model that the stage generates or embeds with.
        threads: programs that may run at a time.
    """

    module: str
    config: Any
    inputs: tuple[str | tuple[Reference, ...], ...]
    row: str
    seed: int | None
    address: str
    model: str
    threads: int

    @classmethod
    def of(cls, call: StageCall, *, model: str, threads: int) -> StageTask:
        """Return a stage call in terms that another process understands."""
        return cls(
            module=call.module.__name__,
            config=call.config,
            inputs=tuple(_name(i) if isinstance(i, Stage) else tuple(i) for i in call.inputs),
            row=call.row,
            seed=call.seed,
            address=call.stage.address,
            model=model,
            threads=threads,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StageResult:
    """What came of a task.

    Attributes:
        reused: whether the stage was complete already.
        lines: what the stage told people.
        node: the machine that did it.
    """

    reused: bool
    lines: tuple[str, ...] = ()
    node: str = ""


class SilentDisplay(NullProgress, Display):
    """Keeps lines, and shows nothing: the machine has no terminal."""

    def __init__(self) -> None:
        """Keep none yet."""
        self.lines: list[str] = []

    def stage(self, row: str, number: int, of: int) -> None:
        """Ignore it."""

    def reused(self, label: str) -> None:
        """Ignore it."""

    def under_way(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Ignore it."""

    def beside(self, text: str) -> None:
        """Ignore it."""

    def line(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)

    def __exit__(self, *_: object) -> None:
        """End."""


Equip = Callable[["StageContext"], "StageContext"]
"""Gives a stage's context what the cluster adds to it."""


def do(packed: bytes, task: StageTask, equip: Equip | None = None) -> StageResult:
    """Complete a stage, in a process that keeps the run's pipeline for the next one.

    Raises:
        LaunchError: this machine has other code or data than the one that started the run.
        Exception: whatever the stage raises.
    """
    pipeline, interruption = _opened(packed)
    with interruption.listening():  # a task that is cancelled ends its record first
        return complete(pipeline, task, SilentDisplay(), equip)


def complete(
    pipeline: Pipeline, task: StageTask, told: SilentDisplay, equip: Equip | None = None
) -> StageResult:
    """Complete a stage.

    Args:
        pipeline: the run's, opened in this process.
        task: the stage.
        told: who is told how far it is.
        equip: what else the stage is given.

    Raises:
        LaunchError: this machine has other code or data than the one that started the run.
        Exception: whatever the stage raises.
    """
    try:
        reused = _step(_at(pipeline, task, told, equip), task)
    finally:
        pipeline.close()
        embed.forget_models()
    return StageResult(reused=reused, lines=tuple(told.lines), node=platform.node())


def begin(packed: bytes) -> RunSpec:
    """Bring this process to where the run was started, and return what is to be done there.

    Raises:
        LaunchError: this machine has no such directory.
    """
    order: RunSpec = pickle.loads(packed)
    try:
        os.chdir(order.directory)
    except OSError as error:
        raise LaunchError(
            f"{platform.node()} has no directory {order.directory} ({error.strerror}): start the "
            "run where every machine of the cluster has the same files"
        ) from error
    return order


@functools.lru_cache(maxsize=1)
def _opened(packed: bytes) -> tuple[Pipeline, Interruption]:
    """Return the run's pipeline in this process, opened once."""
    interruption = Interruption()
    return open_here(packed, between=interruption.check), interruption


def open_here(packed: bytes, between: Callable[[], None]) -> Pipeline:
    """Return the pipeline of a run that was started elsewhere.

    Args:
        packed: the run's order.
        between: called where stopping loses nothing.

    Raises:
        LaunchError: this machine has no such directory.
        ConfigError, SuiteError: model or data cannot be read here.
    """
    prepare_process()
    from benchmarks.pipeline.pipeline import open_pipeline  # after the process is prepared

    return open_pipeline(begin(packed).config, display=SilentDisplay(), steps=0, between=between)


def _at(pipeline: Pipeline, task: StageTask, told: SilentDisplay, equip: Equip | None) -> Pipeline:
    """Return the pipeline with the task's model, its machine's share, and who is told."""
    from benchmarks.models import model_digest
    from benchmarks.pipeline.pipeline import showing

    sandbox = replace(pipeline.context.sandbox, workers=task.threads)
    context = replace(
        pipeline.context, model=task.model, sandbox=sandbox, progress=told, log=showing(told)
    )
    digest = model_digest(Path(task.model), pipeline.config.output)
    return replace(
        pipeline, context=equip(context) if equip else context, model_digest=digest, display=told
    )


def _step(pipeline: Pipeline, task: StageTask) -> bool:
    store, reused = pipeline.store, False

    def remember(stage: Stage, was_complete: bool) -> None:
        nonlocal reused
        reused = was_complete

    module = importlib.import_module(task.module)
    inputs = [store.stored(i) if isinstance(i, str) else i for i in task.inputs]
    pipeline = replace(pipeline, on_stage=remember, row=task.row, seed=task.seed)
    found = pipeline.call(module, task.config, *inputs).stage
    if found.address != task.address:
        raise LaunchError(
            f"{platform.node()} would make {found.name} at another address than the machine that "
            "started the run: give every machine the same code, libraries, model and data"
        )
    pipeline.step(module, task.config, *inputs)
    return reused


def _name(stage: Stage) -> str:
    return stage.path.name
