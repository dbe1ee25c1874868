"""A worker process completes one stage at a time, on this machine or another one.

The process must have the run directory, the model and the suite's data at the same paths as the
process that started the run, and the same code; otherwise it computes another cache key, which is
an error.
"""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.process import prepare_process
from benchmarks.console.display import Display, ProgressEvent
from benchmarks.console.interruption import Interruption
from benchmarks.launch.errors import LaunchError
from benchmarks.stages import embed
from benchmarks.store.store import Stage

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline, StageCall
    from benchmarks.stages.context import StageContext
    from domino.records import Reference


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """Shared by all tasks of a run.

    Attributes:
        config: of the run.
        directory: working directory of the run; relative paths start there.
    """

    config: RunConfig
    directory: str

    def packed(self) -> bytes:
        """Return it as bytes, which also identify the run on another machine."""
        return pickle.dumps(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTask:
    """A stage to complete, in a form that can be sent; input stages are named by directory.

    Attributes:
        model: directory of the model that the stage generates or embeds with.
        threads: number of programs that may run at the same time.
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
        """Return the task of a stage call."""
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
    """The result of a task.

    Attributes:
        reused: whether the stage was complete already.
        lines: messages of the stage.
        node: name of the machine.
    """

    reused: bool
    lines: tuple[str, ...] = ()
    node: str = ""


Equip = Callable[["StageContext"], "StageContext"]
"""Adds to a stage's context what the cluster provides."""


def do(packed: bytes, task: StageTask, equip: Equip | None = None) -> StageResult:
    """Complete a stage, in a process that keeps the run's pipeline for the next stage.

    Raises:
        LaunchError: this machine has different code or data.
        Exception: raised by the stage.
    """
    pipeline, interruption = _opened(packed)
    lines: list[str] = []

    def remember(event: ProgressEvent) -> None:
        if event.kind in ("line", "waiting"):
            lines.append(event.text)

    with interruption.listening():  # a cancelled task finishes its record first
        return complete(pipeline, task, Display(remember), lines, equip)


def complete(
    pipeline: Pipeline, task: StageTask, display: Display, lines: Sequence[str],
    equip: Equip | None = None,
) -> StageResult:  # fmt: skip
    """Complete a stage.

    Args:
        pipeline: the run's, opened in this process.
        task: the stage.
        display: where it reports its progress.
        lines: filled by the display with messages, which go into the result.
        equip: adds to the stage's context.

    Raises:
        LaunchError: this machine has different code or data.
        Exception: raised by the stage.
    """
    try:
        reused = _step(_at(pipeline, task, display, equip), task)
    finally:
        pipeline.close()
        embed.forget_models()
    return StageResult(reused=reused, lines=tuple(lines), node=platform.node())


def begin(packed: bytes) -> RunSpec:
    """Change to the run's working directory, and return the run.

    Raises:
        LaunchError: this machine has no such directory.
    """
    order: RunSpec = pickle.loads(packed)
    try:
        os.chdir(order.directory)
    except OSError as error:
        raise LaunchError(
            f"{platform.node()} has no directory {order.directory} ({error.strerror}): start the "
            "run in a directory that every machine of the cluster has"
        ) from error
    return order


@functools.lru_cache(maxsize=1)
def _opened(packed: bytes) -> tuple[Pipeline, Interruption]:
    """Return the run's pipeline in this process, opened once."""
    interruption = Interruption()
    return open_here(packed, between=interruption.check), interruption


def open_here(packed: bytes, between: Callable[[], None]) -> Pipeline:
    """Open the pipeline of a run that another process started.

    Args:
        packed: the run.
        between: called where no work is lost by stopping.

    Raises:
        LaunchError: this machine has no such directory.
        ConfigError, SuiteError: model or data cannot be read here.
    """
    prepare_process()
    from benchmarks.pipeline.pipeline import open_pipeline  # after the process is prepared

    return open_pipeline(begin(packed).config, display=Display(), steps=0, between=between)


def _at(pipeline: Pipeline, task: StageTask, display: Display, equip: Equip | None) -> Pipeline:
    """Return the pipeline with the task's model, number of threads and display."""
    from benchmarks.models import model_digest
    from benchmarks.pipeline.pipeline import showing

    sandbox = replace(pipeline.context.sandbox, workers=task.threads)
    context = replace(
        pipeline.context, model=task.model, sandbox=sandbox, progress=display, log=showing(display)
    )
    digest = model_digest(Path(task.model), pipeline.config.output)
    return replace(
        pipeline, context=equip(context) if equip else context, model_digest=digest, display=display
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
            f"{platform.node()} computes another cache key for {found.name} than the machine that "
            "started the run: give every machine the same code, libraries, model and data"
        )
    pipeline.step(module, task.config, *inputs)
    return reused


def _name(stage: Stage) -> str:
    return stage.path.name
