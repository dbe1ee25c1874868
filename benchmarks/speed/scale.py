"""`scale`: what a run of many tasks costs in our own code, where the tasks themselves cost nothing.

A small run is made once; then runs of more and more seeds, whose stages are copies of its own: they
are scheduled, addressed, locked, written, looked up, tabled and logged as any others. What is left
is the price of the harness, and how it grows.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.config.presets import load_preset
from benchmarks.console.display import make_display
from benchmarks.launch.tasks import Tasks, all_rows_at_once
from benchmarks.launch.worker import StageResult
from benchmarks.pipeline.description import describe_rows
from benchmarks.pipeline.pipeline import carry_out_here, open_pipeline
from benchmarks.pipeline.rows import STEPS
from benchmarks.run import execute, run_rows
from benchmarks.speed.plans import ScalePlan

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.launch.ahead import WalkRow
    from benchmarks.pipeline.pipeline import Pipeline, StageCall
    from benchmarks.store.store import Stage

NEW, AGAIN, MLFLOW = "all new", "all done", "all done, to MLflow"
_METHODS = ("no-data", "few-shot", "self-instruct")
_TASKS_A_ROW = len(STEPS) + 2  # and the two that describe it
_NOWHERE = "an-address-that-mlflow-refuses"
Templates = dict[tuple[str, str], "Stage"]
"""Stages by the method, or the suite, that they are of, and their names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleRow:
    """One run: seconds on the wall and of this process, and milliseconds of it a task.

    `exponent` is that of the growth since the smallest run of its kind: 1 is linear.
    """

    name: str
    tasks: int
    wall_s: float
    cpu_s: float
    cpu_ms_a_task: float
    exponent: float | None

    def values(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def measure(
    plan: ScalePlan, *, on_row: Callable[[ScaleRow], None] = lambda row: None
) -> list[ScaleRow]:
    """Return a row for each size and kind; `on_row` gets each as it comes."""
    rows: list[ScaleRow] = []
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        config = _config(Path(folder))
        templates = _templates(replace(config, seeds=(0,), output=Path(folder, "template")))
        for tasks in plan.tasks:
            seeds = max(1, round(tasks / _TASKS_A_ROW / len(_METHODS)))
            output = Path(folder, str(tasks))
            sized = replace(config, seeds=tuple(range(seeds)), output=output / "runs")
            logged = replace(sized, tracking_uri=f"sqlite:///{output}/mlflow.db")
            kinds = {NEW: sized, AGAIN: sized, **({MLFLOW: logged} if plan.mlflow else {})}
            for name, run in kinds.items():
                row = _timed(name, run, templates, plan.copiers, rows)
                rows.append(row)
                on_row(row)
            shutil.rmtree(output)
    return rows


def _config(folder: Path) -> RunConfig:
    smoke = load_preset("smoke")
    return replace(smoke, methods=_METHODS, output=folder / "template", tracking_uri=_NOWHERE)


def _templates(config: RunConfig) -> Templates:
    """Make a run of one seed, and return its stages."""
    made: Templates = {}

    def remember(pipeline: Pipeline, call: StageCall) -> bool:
        made[_owner(call), call.stage.name] = call.stage
        return carry_out_here(pipeline, call)

    display = make_display(plain=True, quiet=True)
    pipeline = replace(open_pipeline(config, display=display, steps=0), carry_out=remember)
    with closing(pipeline):
        describe_rows(pipeline, run_rows(pipeline), on_stage=lambda row, stage, reused: None)
    return made


def _owner(call: StageCall) -> str:
    return call.row.partition(" seed ")[0]


class _Copies(Tasks):
    """Stages that become complete as copies of others."""

    def __init__(self, templates: Templates, copiers: int) -> None:
        super().__init__()
        self._templates = templates
        self._pool = ThreadPoolExecutor(copiers)

    def stop(self) -> None:
        self._unfinished()
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, pipeline: Pipeline, call: StageCall) -> Future[StageResult]:
        return self._pool.submit(self._copy, call)

    def _show_until(self, future: Future[StageResult], pipeline: Pipeline, call: StageCall) -> None:
        future.exception()

    def _outcome(self, future: Future[StageResult], call: StageCall) -> StageResult:
        return future.result()

    def _copy(self, call: StageCall) -> StageResult:
        source, stage = self._templates[_owner(call), call.stage.name], call.stage
        with stage.writing():
            for file in source.digests:
                target = stage.path / file
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source.path / file, target)
            stage.finish(source.summary)
        return StageResult(reused=False)


def _timed(
    name: str, config: RunConfig, templates: Templates, copiers: int, before: Sequence[ScaleRow]
) -> ScaleRow:
    @contextlib.contextmanager
    def launch(pipeline: Pipeline, walk: WalkRow) -> Iterator[Pipeline]:
        with all_rows_at_once(_Copies(templates, copiers), pipeline, walk) as launched:
            yield launched

    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        report = execute(config, quiet=True, launch=launch)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if report.failed or report.reused != (0 if name == NEW else report.stages):
        raise RuntimeError(f"{name}: {report.reused} of {report.stages} stages were reused")
    first = next((row for row in before if row.name == name), None)
    growth = log(cpu / first.cpu_s) / log(report.stages / first.tasks) if first else None
    return ScaleRow(
        name=name,
        tasks=report.stages,
        wall_s=wall,
        cpu_s=cpu,
        cpu_ms_a_task=1000 * cpu / report.stages,
        exponent=growth,
    )


def line(row: ScaleRow) -> str:
    """Return a row as text."""
    growth = "" if row.exponent is None else f"{row.exponent:.2f}"
    return (
        f"{row.name:<20} {row.tasks:>7,} {row.wall_s:>8.1f} {row.cpu_s:>8.1f} "
        f"{row.cpu_ms_a_task:>8.2f} {growth:>9}"
    )


def table(heading: str, rows: Sequence[ScaleRow]) -> str:
    """Return the rows as text."""
    head = f"{'':<20} {'tasks':>7} {'wall s':>8} {'CPU s':>8} {'ms each':>8} {'exponent':>9}"
    return "\n".join([heading, head, *map(line, rows)]) + "\n"
