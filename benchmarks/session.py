"""One command: what it opens and checks before any work, and what it reports at the end."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.cells import RunCells, RunRow
from benchmarks.chat_templates import check_chat, own_template
from benchmarks.common.fields import ConfigError, update
from benchmarks.common.words import counted
from benchmarks.config.run_config import finetune_config, respond_config, synthesize_config
from benchmarks.console.display import Display, make_display
from benchmarks.console.events import EventLog
from benchmarks.console.interruption import Interruption
from benchmarks.launch.launchers import open_launcher
from benchmarks.methods import (
    CONTROLS,
    base_name,
    is_data_set,
    is_plug_in,
    load_method,
)
from benchmarks.metrics.sequential import ANALYSES
from benchmarks.models import resolve_model
from benchmarks.pipeline.description import describe_rows, description_steps
from benchmarks.pipeline.manifest import (
    describe_invocation,
    describe_pipeline,
    write_invocation,
)
from benchmarks.pipeline.pipeline import Pipeline, StageCall, open_pipeline
from benchmarks.pipeline.rows import STEPS, Description, FailedRun, SeedRun, row_steps
from benchmarks.pipeline.teacher_checks import meet_teacher, require_consent
from benchmarks.pipeline.usable import require_usable_rows
from benchmarks.report.compared_runs import combine
from benchmarks.report.facts import FactRow, fact_counts, fact_rows
from benchmarks.report.from_cells import stored_run
from benchmarks.report.stored import StoredRun, compare_rows, facts_of, load_run
from benchmarks.report.terminal import Report, show, write_json
from benchmarks.sandbox.interpreter import refuse_in_sight
from benchmarks.stages import evaluate, finetune, respond, synthesize
from benchmarks.store.store import STAGES
from benchmarks.tracking.tracker import Tracker
from benchmarks.tracking.values import tracking_place
from domino.synthesizer import Domain, SynthesisError

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.engines import EngineFactory
    from benchmarks.launch.ahead import WalkRow
    from benchmarks.launch.launchers import Launch
    from benchmarks.pipeline.cell import Cell
    from benchmarks.store.store import Stage

DescribeRow = Callable[[Pipeline, str, int], tuple[SeedRun | FailedRun, Description]]
"""`run.walk_row`."""
STDOUT = Path("-")
"""The path that stands for standard output."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The open resources of one command: pipeline, display, event log and MLflow run."""

    pipeline: Pipeline
    display: Display
    log: EventLog
    tracker: Tracker
    began: float
    cells: RunCells | None = None
    """The run's cells, if it has a folder for them."""
    ran: list[SeedRun | FailedRun] = field(default_factory=list)
    """The rows that this command ran."""
    reused: list[bool] = field(default_factory=list)
    """For each stage so far, whether it was complete already."""

    def begin_row(self, method: str, seed: int) -> None:
        """Log to the MLflow run of this row from now on."""
        self.tracker.begin_row(method, seed)

    def fail_row(self, row: FailedRun) -> None:
        """Report a row that failed."""
        self.display.line(f"FAILED {row.method} seed {row.seed} in {row.stage}: {row.reason}")
        self.tracker.fail_row(f"{row.stage}: {row.reason}")

    def decided(self, rows: Sequence[SeedRun | FailedRun]) -> bool:
        """Whether an interim analysis is due, and every primary comparison is decided by it."""
        config = self.pipeline.config
        if not config.compare.until_decided:
            return False
        if self.cells is not None:  # with the rows of others
            there = self.cells.there()
            rows = self._of_cells(there).rows if there else []
        methods = list(dict.fromkeys([*config.methods, *(row.method for row in rows)]))
        found = compare_rows(rows, methods, config.compare)
        seeds = found.design.seeds
        if seeds not in ANALYSES or not found.decided:
            return False
        self.display.line(f"every primary comparison is decided at {seeds} seeds: the run stops")
        return True

    def _of_cells(self, cells: Sequence[Cell]) -> StoredRun:
        """Return the run that cells make, under the command's own plan."""
        config = self.pipeline.config
        methods = list(dict.fromkeys([*config.methods, *(cell.method for cell in cells)]))
        run = stored_run(cells, config.output / STAGES, methods)
        return run.with_plan(config.compare)

    def log_stage(self, stage: Stage, was_complete: bool) -> None:
        """Log a finished stage of the current row."""
        self.reused.append(was_complete)
        self.tracker.log_stage(stage, reused=was_complete)

    def log_description(
        self, row: SeedRun | FailedRun | None, stage: Stage, was_complete: bool
    ) -> None:
        """Log a stage that describes a row's data; None stands for the references."""
        self.reused.append(was_complete)
        self.tracker.log_description(None if row is None else (row.method, row.seed), stage)

    def stored(self, method: str, seed: int) -> SeedRun | None:
        """Return the row of a cell, unless this command runs the row itself."""
        if self.cells is None or (method, seed) in self.cells.written:
            return None
        return self.cells.stored(method, seed)

    def end_row(self, row: SeedRun | FailedRun) -> SeedRun | FailedRun:
        """Describe a row that was run and write its cell, if the run has cells."""
        self.ran.append(row)
        if self.cells is None:
            return row
        described = describe_rows(self.pipeline, [row], on_stage=self.log_description)
        return self.cells.keep(row, described)

    def report(self, rows: Sequence[SeedRun | FailedRun]) -> tuple[Report, list[str]]:
        """Describe the rows, save the run, log it, and return the report.

        The returned lines say how to see the run, and where the shared store and MLflow have it.
        """
        pipeline, config = self.pipeline, self.pipeline.config
        if self.cells is None:
            run = self._saved(rows)
        else:  # interim analyses take all that is there, also what other commands have made
            every = config.compare.until_decided
            run = self._of_cells(self.cells.there() if every else self.cells.of(rows))
        report = Report(
            about=run.invocation.about,
            rows=run.method_rows(),
            facts=[FactRow(method=name, shares=own) for name, own in facts_of(run).items()],
            stored=(config.cells or config.output).resolve(),
            seconds=time.monotonic() - self.began,
            reused=sum(self.reused),
            stages=len(self.reused),
            comparisons=compare_rows(run.rows, list(run.names), config.compare),
            name="" if run.cells else run.name,
        )
        self._log_cells(run)
        self.log.name = str(config.cells) if run.cells else run.name
        self.display.line(f"Saved as {self.log.name}; writing the report and MLflow tables")
        self.tracker.log_report(report)
        finished = [row for row in run.rows if isinstance(row, SeedRun)]
        self.tracker.log_rows(finished, run.name, config)
        if self.tracker.works:
            from benchmarks.report.page import make_report  # draws figures

            self.tracker.log_page(make_report(combine([run])), report)
        which = run.name if self.cells is None else f"--cells {config.cells}"
        command = f"Report: {_python()} -m benchmarks.report {which} --output {config.output}"
        shared = pipeline.shared.retry_uploads()
        lines = [*run.plan_notes(), command, *([shared] if shared else [])]
        return report, [*lines, self.tracker.where()]

    def _log_cells(self, run: StoredRun) -> None:
        """Log the rows that were taken from cells, which no stage of this invocation has."""
        ran = {(row.method, row.seed) for row in self.ran}
        for row in run.rows:
            if (row.method, row.seed) in ran or not isinstance(row, SeedRun):
                continue
            self.tracker.begin_row(row.method, row.seed)
            for stage in row.stages:
                self.tracker.log_stage(stage, reused=True)
            if described := run.described.get((row.method, row.seed)):
                self.tracker.log_description((row.method, row.seed), described.measures)

    def _saved(self, rows: Sequence[SeedRun | FailedRun]) -> StoredRun:
        """Describe the rows, and save the run under its name."""
        pipeline, config = self.pipeline, self.pipeline.config
        suite = pipeline.context.suite
        description = describe_rows(pipeline, rows, on_stage=self.log_description)
        about = describe_pipeline(pipeline) | {"seeds": list(dict.fromkeys(r.seed for r in rows))}
        counts = [
            (row.method, fact_counts(row, suite, pipeline.for_seed(row.seed).references))
            for row in rows
            if isinstance(row, SeedRun)
        ]
        facts = {row.method: row.shares for row in fact_rows(counts)}
        invocation = describe_invocation(config, about, description, rows, facts)
        return load_run(write_invocation(invocation, config.output))


@contextmanager
def open_session(
    config: RunConfig,
    run_row: RunRow,
    walk: DescribeRow,
    *,
    plain: bool,
    quiet: bool,
    make_engine: EngineFactory | None = None,
    launch: Launch | None = None,
) -> Iterator[Session]:
    """Open and check everything that a run needs; it is closed when the block ends.

    Args:
        config: the run.
        run_row: takes a row from references to Pass@1.
        walk: completes a row, for launchers that compute several at the same time.
        plain: print lines instead of the live display.
        quiet: print nothing; the event log in the run directory has everything.
        make_engine: see `run.execute`.
        launch: see `run.execute`.

    Raises:
        ConfigError: the input is invalid; nothing has been computed.
    """
    began = time.monotonic()
    display = make_display(plain=plain or not sys.stdout.isatty(), quiet=quiet)
    log = EventLog(config.output)
    display.add(log)
    in_process = launch is not None or make_engine is not None
    launcher = nullcontext(launch or _in_process) if in_process else open_launcher(config)
    with launcher as launches, display:
        tracker = Tracker(tracking_place(config.tracking_uri, config.output), warn=display.line)
        interruption = Interruption()
        pipeline = open_pipeline(
            config,
            display=display,
            steps=row_steps(config) + description_steps(config),
            make_engine=make_engine,
            between=interruption.check,
        )
        check_before_work(pipeline)
        cells = None if config.cells is None else RunCells(config.cells, pipeline, run_row)
        there = 0 if cells is None else cells.check()
        if cells is not None:
            pipeline = replace(pipeline, steps=_steps_with_cells(config, there))
        if pipeline.teacher is not None and not _finished(pipeline, run_row, cells):
            meet_teacher(pipeline)
        log.begin(
            {
                "suite": config.suite,
                "model": config.backbone,
                "methods": list(config.methods),
                "seeds": list(config.seeds),
            }
        )
        display.line(
            f"{config.suite}: {', '.join(config.methods)}; seeds "
            f"{', '.join(map(str, config.seeds))}; {pipeline.steps} stages, stored in "
            f"{config.output}"
            + (f"; {counted(there, 'row')} found in {config.cells}" if cells is not None else "")
        )
        session = Session(
            pipeline=pipeline, display=display, log=log, tracker=tracker, began=began, cells=cells
        )
        logged = replace(pipeline, on_stage=session.log_stage)
        with (
            closing(pipeline),
            interruption.listening(),
            tracker.invocation(pipeline),
            launches(
                logged, walk if cells is None else partial(_walk_missing, cells, walk)
            ) as launched,
        ):
            yield replace(session, pipeline=launched)


def _walk_missing(
    cells: RunCells, walk: DescribeRow, pipeline: Pipeline, method: str, seed: int
) -> None:
    """Complete a row that has no cell yet, and write its cell."""
    if cells.stored(method, seed) is None:
        cells.keep(*walk(pipeline, method, seed))


def _steps_with_cells(config: RunConfig, there: int) -> int:
    """Return the number of steps of a run of which `there` rows have cells."""
    missing = len(config.methods) * len(config.seeds) - there
    return (2 + (len(STEPS) + 4) * missing) if missing else 0


class _UnfinishedError(Exception):
    """A stage is not there yet."""


def _finished(pipeline: Pipeline, run_row: RunRow, cells: RunCells | None) -> bool:
    """Whether every row has a cell or all of its stages, so that nobody is asked anything."""

    def look(pipeline: Pipeline, call: StageCall) -> bool:
        if not call.stage.complete:
            raise _UnfinishedError
        return True

    config = pipeline.config
    looking = replace(pipeline.detached(Display()), carry_out=look)
    try:
        for method, seed in product(config.methods, config.seeds):
            if cells is None or cells.stored(method, seed) is None:
                run_row(looking, method, seed)
    except (_UnfinishedError, SynthesisError):
        return False
    return True


def _in_process(pipeline: Pipeline, walk: WalkRow) -> nullcontext[Pipeline]:
    return nullcontext(pipeline)


def check_before_work(pipeline: Pipeline) -> None:
    """Refuse methods, options and references that would fail later in the run.

    Raises:
        MethodError: a plug-in cannot be imported, or is not a method.
        ConfigError: a method's option is unknown or has an invalid value; or the teacher is on
            another machine, without consent.
        SuiteError: the suite's official tools need a package that is not installed.
        SandboxConfigError: programs would see the store or the data set.
        StageError: these references or this suite do not support the responder, or the options of
            fine-tuning are inconsistent.
        SynthesisError: methods cannot learn from these references, or the suite has no pairs for a
            control.
    """
    config = pipeline.config
    require_consent(pipeline)
    for method in config.methods:
        if is_plug_in(method):
            load_method(method)
        if is_data_set(method):
            require_usable_rows(pipeline, method)
        if base_name(method) in CONTROLS:
            control: Any = load_method(method)
            control.available(pipeline.context.suite, pipeline.references)
    Domain(references=pipeline.references, template=pipeline.context.suite.template)
    for method, options in config.method_options.items():
        if method in config.methods and options and not _synthesized(pipeline, method):
            method_class: Any = load_method(method)
            update(method_class.config_class(), options, prefix=f"method_options.{method}.")
    check_chat(config, Path(pipeline.context.model))
    _check_turns(pipeline)
    pipeline.context.suite.check()
    responder = respond_config(config, config.methods[0])
    respond.check(responder, pipeline.references, pipeline.context.suite)
    evaluate.check(config.evaluate, pipeline.context.suite, pipeline.references)
    for method in config.methods:
        finetune.check(finetune_config(config, method), config.accelerate, pipeline.references)
    if config.embed.model is not None:
        resolve_model(config.embed.model)
    if config.output.exists() and not config.output.is_dir():
        raise ConfigError(f"output {config.output} is a file: give a directory")
    kept = (config.output, config.suite_options.dataset)
    refuse_in_sight(pipeline.context.sandbox.interpreter, filter(None, kept))


def _check_turns(pipeline: Pipeline) -> None:
    """Refuse a base model for methods that need the model's own chat template."""
    config = pipeline.config
    if config.chat_template is not None or own_template(Path(pipeline.context.model)) is not None:
        return
    for method in config.methods:
        if getattr(load_method(method), "needs_turns", False):
            raise ConfigError(
                f"method {method!r} continues the user turn of a chat template, but model "
                f"{config.model!r} is a base model without one: give --chat_template FILE, or "
                "remove the method"
            )


def _synthesized(pipeline: Pipeline, method: str) -> bool:
    """Whether the method's samples are stored for every seed, so that its module is not needed."""
    config = synthesize_config(pipeline.config, method)
    rows = [pipeline.for_row(method, seed) for seed in pipeline.config.seeds]
    return all(row.call(synthesize, config, row.references).stage.complete for row in rows)


def print_report(report: Report, places: Sequence[str], json_path: Path | None) -> None:
    """Print the table and where everything is stored, or write the report as JSON.

    Args:
        report: of the run.
        places: lines that say where it can be seen.
        json_path: file for the report as JSON; STDOUT prints it instead of the table.
    """
    if json_path == STDOUT:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False) + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    show(report, console)
    for line in places:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if json_path is not None:
        write_json(report, json_path)


def _python() -> str:
    """Return the path of this interpreter, relative to this directory if it is in it."""
    found = Path(os.path.abspath(sys.executable))  # noqa: PTH100 - a link stays a link
    if shutil.which("python") == str(found):
        return "python"
    return os.path.relpath(found) if found.is_relative_to(Path.cwd()) else str(found)
