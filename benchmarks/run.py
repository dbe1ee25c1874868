"""`python -m benchmarks.run`: every method and seed from references to Pass@1.

Options, presets and files: `benchmarks.cli`. What a step does: `benchmarks.stages`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import exit_code
from benchmarks.cli.options import read_command
from benchmarks.config.run_config import respond_config, synthesize_config
from benchmarks.methods import load_method
from benchmarks.pipeline.rows import STEPS, FailedRow, Row
from benchmarks.stages import (
    decontaminate,
    evaluate,
    filter_instructions,
    filter_responses,
    finetune,
    gold,
    respond,
    synthesize,
)
from benchmarks.stages.gold import GoldConfig
from domino.engines.base import EngineError
from domino.synthesizer import SynthesisError

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.console.events import RecordingDisplay
    from benchmarks.engines import EngineFactory
    from benchmarks.launch.launchers import Launch
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.report.table import Report
    from benchmarks.stages.decontaminate import DecontaminateConfig
    from benchmarks.store.store import Stage


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("benchmarks.run", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    command = read_command(arguments)
    if command.plan is not None:
        from benchmarks.planning.show import show_plan

        show_plan(command.config, command.plan, command.json)
        return 0

    report = execute(
        command.config, json_path=command.json, plain=command.plain, quiet=command.quiet
    )
    return 1 if report.failed else 0


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
    from rich.console import Console

    from benchmarks.console.display import make_display
    from benchmarks.console.events import RecordingDisplay
    from benchmarks.launch.launchers import open_launcher
    from benchmarks.report.table import show, write_json
    from benchmarks.session import _python

    began = time.monotonic()
    shown = make_display(plain=plain or not sys.stdout.isatty(), quiet=quiet)
    if launch is None and make_engine is None:
        launcher = open_launcher(config)
    else:
        launcher = nullcontext(launch or (lambda pipeline, walk: nullcontext(pipeline)))
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


def _run(
    config: RunConfig,
    display: RecordingDisplay,
    began: float,
    make_engine: EngineFactory | None,
    launch: Launch,
) -> tuple[Report, list[str]]:
    """Return the report, and the lines that say where the shared store and MLflow have it."""
    from benchmarks.console.interruption import Interruption
    from benchmarks.pipeline.description import describe_rows, description_steps, keep_domain
    from benchmarks.pipeline.manifest import describe_invocation, write_invocation
    from benchmarks.pipeline.pipeline import open_pipeline
    from benchmarks.session import _about, _announcing, _head, _page, _report, check_before_work
    from benchmarks.tracking.tracker import Tracker
    from benchmarks.tracking.values import tracking_place

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
        launch(pipeline, walk_row) as launched,
    ):
        kept = keep_domain(launched)
        rows = run_rows(
            launched, on_row=tracker.begin_row, on_failure=_announcing(display, tracker)
        )
        found = describe_rows(launched, kept, rows, on_stage=on_described)
        report = _report(pipeline, rows, time.monotonic() - began, reused)
        invocation = describe_invocation(
            config, report.about, found, rows, {row.method: row.shares for row in report.facts}
        )
        path = write_invocation(invocation, config.output)
        report = replace(report, name=invocation.name)
        display.kept_as(invocation.name)
        tracker.log_report(report)
        tracker.log_rows([row for row in rows if isinstance(row, Row)], report.name, config)
        if tracker.works:
            tracker.log_page(_page(path), report)
        shared = pipeline.shared.settle()
    return report, [*([shared] if shared else []), tracker.where()]


ROW_ERRORS = (SynthesisError, EngineError)
"""What ends one row and no other; a machine that is broken ends the run."""


class NoPairsError(SynthesisError):
    """A method left no pair to train on."""


def run_rows(
    pipeline: Pipeline,
    *,
    on_row: Callable[[str, int], None] = lambda method, seed: None,
    on_failure: Callable[[FailedRow], None] = lambda row: None,
) -> list[Row | FailedRow]:
    """Run every method with every seed, once the suite's own solutions have passed.

    Args:
        pipeline: what the rows share.
        on_row: called with (method, seed) before each row.
        on_failure: called with each row that could not go on; the others do.

    Raises:
        GoldError: the suite's canonical solutions fail, so it may not score.
        StoreError: the disk is full.
        SandboxError: the sandbox does not work.
    """
    config = pipeline.config
    check_gold(pipeline)
    rows = []
    for seed in config.seeds:
        for method in config.methods:
            on_row(method, seed)
            row = try_row(pipeline, method, seed)
            if isinstance(row, FailedRow):
                on_failure(row)
            rows.append(row)
    return rows


def try_row(pipeline: Pipeline, method: str, seed: int) -> Row | FailedRow:
    """Run a row, or say where and why its method could not go on."""
    finished: list[Stage] = []

    def remember(stage: Stage, reused: bool) -> None:
        finished.append(stage)
        pipeline.on_stage(stage, reused)

    try:
        return run_row(replace(pipeline, on_stage=remember), method, seed)
    except ROW_ERRORS as error:
        where = len(finished) - isinstance(error, NoPairsError)
        reason = " ".join(str(error).split()) or type(error).__name__
    asked = pipeline.config.draws if load_method(method).synthesizes else 0
    return FailedRow(
        method=method, seed=seed, asked=asked, stages=tuple(finished), stage=STEPS[where],
        reason=reason,
    )  # fmt: skip


def walk_row(pipeline: Pipeline, method: str, seed: int) -> None:
    """Complete all stages of a row, those that describe it too."""
    from benchmarks.pipeline.description import describe_rows, keep_domain

    check_gold(pipeline)
    row = try_row(pipeline, method, seed)
    describe_rows(pipeline, keep_domain(pipeline), [row], on_stage=lambda row, stage, reused: None)


def run_row(pipeline: Pipeline, method: str, seed: int) -> Row:
    """Take one method with one seed through all stages.

    Raises:
        SynthesisError: the method cannot go on, or left no pair.
        EngineError: the backbone cannot serve it.
    """
    config, references, name = pipeline.config, pipeline.references, f"{method} seed {seed}"

    synthesized = pipeline.step(
        synthesize, synthesize_config(config, method), references, row=name, seed=seed
    )
    filtered = pipeline.step(filter_instructions, config.filter, synthesized, row=name, seed=seed)
    responded = pipeline.step(
        respond, respond_config(config, method), filtered, synthesized, references,
        row=name, seed=seed,
    )  # fmt: skip
    agreed = pipeline.step(
        filter_responses, config.filter, responded, row=name, seed=seed, runs_programs=True
    )
    pairs = pipeline.step(
        decontaminate, decontaminate_config(config, synthesized), agreed, references,
        row=name, seed=None,
    )  # fmt: skip
    tuned = pipeline.step(finetune, config.finetune, pairs, row=name, seed=seed)
    require_pairs(synthesized, tuned)
    evaluated = pipeline.step(
        evaluate, config.evaluate, tuned, row=name, runs_programs=True,
        seed=seed if config.evaluate.temperature > 0 else None,
        address_inputs=[tuned] if tuned.summary["adapter"] else [],
    )  # fmt: skip

    return Row(
        method=method, seed=seed, synthesized=synthesized, filtered=filtered, responded=responded,
        agreed=agreed, pairs=pairs, tuned=tuned, evaluated=evaluated,
    )  # fmt: skip


def require_pairs(synthesized: Stage, tuned: Stage) -> None:
    """Refuse to score the plain backbone in the name of a method that left it as it was.

    Raises:
        NoPairsError: the method should have given pairs, and none is left.
    """
    drawn, new = synthesized.summary["drawn"], synthesized.summary["synthesizes"]
    if tuned.summary["kept"] or not (drawn or new):
        return
    if not drawn:
        why = synthesized.summary["why"] or "it gave no reason"
        raise NoPairsError(f"no pair to train on: the method returned nothing ({why})")
    raise NoPairsError(f"no pair to train on: all {drawn} instructions were dropped")


def check_gold(pipeline: Pipeline) -> Stage:
    """Run the suite's canonical solutions through the evaluator, once for each suite."""
    config = pipeline.config
    gold_config = GoldConfig(suite=config.suite, split=config.evaluate.split)
    return pipeline.step(gold, gold_config, row=config.suite, seed=None, runs_programs=True)


def step_count(config: RunConfig) -> int:
    """Return how many steps a run has, the gold check included."""
    return 1 + len(STEPS) * len(config.methods) * len(config.seeds)


def decontaminate_config(config: RunConfig, synthesized: Stage) -> DecontaminateConfig:
    """Return the budget, and whether references are protected from being repeated.

    A method whose instructions are the references is neither cut nor refused for repeating them.
    """
    new = bool(synthesized.summary["synthesizes"])
    return replace(config.decontaminate, pairs=config.pairs if new else None, references=new)


if __name__ == "__main__":
    from benchmarks.common.process import prepare_process

    prepare_process()
    sys.exit(main(sys.argv[1:]))
