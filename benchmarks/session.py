"""One invocation from config to report: display, pipeline, rows, MLflow, table."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.common.fields import ConfigError, update
from benchmarks.console.display import Display, make_display
from benchmarks.console.events import RecordingDisplay
from benchmarks.console.interruption import Interruption
from benchmarks.launch.launchers import open_launcher
from benchmarks.methods import is_plug_in, load_method
from benchmarks.models import resolve_model
from benchmarks.pipeline.description import describe_rows, description_steps, keep_domain
from benchmarks.pipeline.manifest import describe_invocation, write_invocation
from benchmarks.pipeline.pipeline import Pipeline, open_pipeline
from benchmarks.report.comparisons import compare
from benchmarks.report.facts import fact_rows
from benchmarks.report.rows import method_rows
from benchmarks.report.table import Report, show, write_json
from benchmarks.run import FailedRow, Row, respond_config, run_rows, step_count, synthesize_config
from benchmarks.stages import finetune, respond, synthesize
from benchmarks.tracking.tracker import Tracker
from benchmarks.tracking.values import tracking_place
from domino.synthesizer import Domain

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.config.run_config import RunConfig
    from benchmarks.launch.launchers import Launch
    from benchmarks.report.page import StaticReport
    from benchmarks.stages.context import EngineFactory
    from benchmarks.store.store import Stage

STDOUT = Path("-")
"""In place of a file for the report: standard output."""


def execute(
    config: RunConfig,
    *,
    json_path: Path | None = None,
    plain: bool = False,
    quiet: bool = False,
    make_engine: EngineFactory | None = None,
    launch: Launch | None = None,
) -> Report:
    """Run, print the table, write it for machines, and return it.

    Args:
        config: the run.
        json_path: file that the report is also written to; STDOUT prints it instead of the table.
        plain: lines in place of the live display.
        quiet: nothing before the table; the log in the run directory has it all.
        make_engine: how engines are made, in this process alone; None makes transformers'.
        launch: what carries the stages out; None is the config's launcher.

    Raises:
        ConfigError: the input is wrong; nothing has been computed.
        KeyboardInterrupt: Ctrl-C, once the record in flight was written.
    """
    began = time.monotonic()
    shown = make_display(plain=plain or not sys.stdout.isatty(), quiet=quiet)
    if launch is None and make_engine is None:
        launcher = open_launcher(config)
    else:
        launcher = nullcontext(launch or nullcontext)
    with launcher as launches, RecordingDisplay(shown, config.output) as display:
        report, places = _run(config, display, began, make_engine, launches)
    if json_path == STDOUT:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False) + "\n")
        return report
    console = Console(width=None if sys.stdout.isatty() else 140)
    show(report, console)
    said = f"Report: {_python()} -m benchmarks.report {report.name} --output {config.output}"
    for line in [said, *places]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if json_path is not None:
        write_json(report, json_path)
    return report


def _python() -> str:
    """Return the interpreter that runs, as a person in this directory would type it."""
    found = Path(os.path.abspath(sys.executable))  # noqa: PTH100 - a link stays a link
    if shutil.which("python") == str(found):
        return "python"
    return os.path.relpath(found) if found.is_relative_to(Path.cwd()) else str(found)


def _run(
    config: RunConfig,
    display: RecordingDisplay,
    began: float,
    make_engine: EngineFactory | None,
    launch: Launch,
) -> tuple[Report, list[str]]:
    """Return the report, and the lines that say where the shared store and MLflow have it."""
    reused: list[bool] = []
    tracker = Tracker(tracking_place(config.tracking_uri, config.output), warn=display.line)

    def on_stage(stage: Stage, was_complete: bool) -> None:
        reused.append(was_complete)
        tracker.log_stage(stage, reused=was_complete)

    def on_described(row: Row | FailedRow | None, stage: Stage, was_complete: bool) -> None:
        reused.append(was_complete)
        tracker.log_description(None if row is None else (row.method, row.seed), stage)

    interruption = Interruption()
    pipeline = open_pipeline(
        config, display=display, steps=step_count(config) + description_steps(config),
        on_stage=on_stage, make_engine=make_engine, between=interruption.check,
    )  # fmt: skip
    check_before_work(pipeline)
    display.begin(_about(config))
    display.line(_head(pipeline))
    with (
        closing(pipeline),
        interruption.listening(),
        tracker.invocation(pipeline),
        launch(pipeline) as launched,
    ):
        kept = keep_domain(launched)
        rows = run_rows(
            launched, on_row=tracker.begin_row, on_failure=_announcing(display, tracker)
        )
        found = describe_rows(launched, kept, rows, on_stage=on_described)
        report = _report(pipeline, rows, time.monotonic() - began, reused)
        invocation = describe_invocation(config, report.about, found, rows, report.facts)
        path = write_invocation(invocation, config.output)
        report = replace(report, name=invocation.name)
        display.kept_as(invocation.name)
        tracker.log_report(report)
        tracker.log_rows([row for row in rows if isinstance(row, Row)], report.name, config)
        if tracker.works:
            tracker.log_page(_page(path), report)
        shared = pipeline.shared.settle()
    return report, [*([shared] if shared else []), tracker.where()]


def _page(path: Path) -> StaticReport:
    """Return the page of a run that has ended, as `benchmarks.report` would make it."""
    from benchmarks.report.page import make_report
    from benchmarks.report.stored import read_run
    from benchmarks.report.together import together

    return make_report(together([read_run(path)]))


def _about(config: RunConfig) -> dict[str, Any]:
    """Return what tells one run from another in a directory of several."""
    return {
        "suite": config.suite,
        "model": config.model,
        "methods": list(config.methods),
        "seeds": list(config.seeds),
    }


def _head(pipeline: Pipeline) -> str:
    """Return the line that a run begins with."""
    config = pipeline.config
    return (
        f"{config.suite}: {', '.join(config.methods)}; seeds {', '.join(map(str, config.seeds))}; "
        f"{pipeline.steps} stages, stored below {config.output}"
    )


def _announcing(display: Display, tracker: Tracker) -> Callable[[FailedRow], None]:
    def announce(row: FailedRow) -> None:
        display.line(f"FAILED {row.method} seed {row.seed} in {row.stage}: {row.reason}")
        tracker.fail_row(f"{row.stage}: {row.reason}")

    return announce


def check_before_work(pipeline: Pipeline) -> None:
    """Refuse methods, options and references that would only fail in the middle of the run.

    Raises:
        MethodError: a plug-in cannot be imported, or is no method.
        ConfigError: a method has no such option, or not with this value.
        StageError: the responder cannot be had from these references, or fine-tuning not so.
        SynthesisError: no method could learn from these references.
    """
    config = pipeline.config
    for method in config.methods:
        if is_plug_in(method):
            load_method(method)
    Domain(references=pipeline.references, template=pipeline.context.suite.template)
    for method, options in config.method_options.items():
        if method in config.methods and options and not _synthesized(pipeline, method):
            method_class: Any = load_method(method)
            update(method_class.config_class(), options, prefix=f"method_options.{method}.")
    respond.check(respond_config(config, config.methods[0]), pipeline.references)
    finetune.check(config.finetune, config.accelerate)
    if config.embed.model is not None:
        resolve_model(config.embed.model)
    if config.output.exists() and not config.output.is_dir():
        raise ConfigError(f"output {config.output} is a file: give a directory")


def _synthesized(pipeline: Pipeline, method: str) -> bool:
    """Whether the method has done its work for every seed, so that its module is not needed."""
    config = synthesize_config(pipeline.config, method)
    stages = [
        pipeline.find(synthesize, config, pipeline.references, seed=seed)
        for seed in pipeline.config.seeds
    ]
    return all(stage.complete for stage in stages)


def _report(
    pipeline: Pipeline, rows: list[Row | FailedRow], seconds: float, reused: list[bool]
) -> Report:
    config = pipeline.config
    about = {
        "suite": config.suite,
        "variant": pipeline.context.suite.variant,
        "split": config.evaluate.split,
        "template": pipeline.context.suite.template,
        "suite_digest": pipeline.suite_digest,
        "model": config.model,
        "model_digest": pipeline.model_digest,
        "engine": config.engine,
        "responder": config.responder,
        "references": len(pipeline.references),
        "references_digest": pipeline.references_digest,
        "seeds": list(config.seeds),
        "pairs": config.pairs,
        "draws": config.draws,
    }
    return Report(
        about=about,
        rows=method_rows(rows, config.evaluate.ks),
        facts=fact_rows([row for row in rows if isinstance(row, Row)], pipeline.context.suite),
        stored=config.output.resolve(),
        seconds=seconds,
        reused=sum(reused),
        stages=len(reused),
        comparisons=compare(_whole(rows)),
    )


def _whole(rows: list[Row | FailedRow]) -> list[Row]:
    """Return the rows of the methods that have one for every seed: others cannot be paired."""
    failed = {row.method for row in rows if isinstance(row, FailedRow)}
    return [row for row in rows if isinstance(row, Row) and row.method not in failed]
