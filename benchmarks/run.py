"""`python -m benchmarks.run`: every method and seed, from references to Pass@1.

`run_row` is the data flow of one row, one line per stage. Stages are in `benchmarks.stages`, their
storage in `benchmarks.pipeline`, what one command opens and reports in `benchmarks.session`, and
options in `benchmarks.cli`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import exit_code
from benchmarks.cli.options import read_command
from benchmarks.config.run_config import (
    decontaminate_config,
    evaluate_config,
    finetune_config,
    respond_config,
    synthesize_config,
)
from benchmarks.methods import load_method
from benchmarks.pipeline.rows import STEPS, FailedRun, SeedRun
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
    from benchmarks.engines import EngineFactory
    from benchmarks.launch.launchers import Launch
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.pipeline.rows import Description
    from benchmarks.report.terminal import Report
    from benchmarks.store.store import Stage

ROW_ERRORS = (SynthesisError, EngineError)
"""Errors that fail one row only; a broken machine ends the run."""


class NoPairsError(SynthesisError):
    """A method produced no pair to train on."""


def execute(
    config: RunConfig,
    *,
    json_path: Path | None = None,
    plain: bool = False,
    quiet: bool = False,
    make_engine: EngineFactory | None = None,
    launch: Launch | None = None,
) -> Report:
    """Run, print the table or write it as JSON, and return the report.

    Args:
        config: the run.
        json_path: file for the report as JSON; "-" prints it instead of the table.
        plain: print lines instead of the live display.
        quiet: print nothing before the table; the event log has everything.
        make_engine: makes the engines, in this process only; None is the config's engine.
        launch: computes the stages; None is the config's launcher.

    Raises:
        ConfigError: the input is invalid; nothing has been computed.
        KeyboardInterrupt: Ctrl-C, after the current record was written.
    """
    from benchmarks.session import open_session, print_report  # after --help

    with open_session(
        config, run_row, walk_row, plain=plain, quiet=quiet, make_engine=make_engine, launch=launch
    ) as session:
        rows = run_rows(
            session.pipeline,
            on_row=session.begin_row,
            on_failure=session.fail_row,
            decided=session.decided,
            stored=session.stored,
            on_end=session.end_row,
        )
        report, places = session.report(rows)
    print_report(report, places, json_path)
    return report


def run_rows(
    pipeline: Pipeline,
    *,
    on_row: Callable[[str, int], None] = lambda method, seed: None,
    on_failure: Callable[[FailedRun], None] = lambda row: None,
    decided: Callable[[list[SeedRun | FailedRun]], bool] = lambda rows: False,
    stored: Callable[[str, int], SeedRun | None] = lambda method, seed: None,
    on_end: Callable[[SeedRun | FailedRun], SeedRun | FailedRun] = lambda row: row,
) -> list[SeedRun | FailedRun]:
    """Run every method with every seed, after the suite's canonical solutions have passed.

    Args:
        pipeline: shared by the rows.
        on_row: called with (method, seed) before each row.
        on_failure: called with each failed row; the other rows continue.
        decided: called with the rows so far before each seed; if true, no more seeds are run.
        stored: returns a row that need not be run.
        on_end: called with each row that was run; returns the row to report.

    Raises:
        GoldError: a canonical solution of the suite fails, so nothing may be scored.
        StoreError: the disk is full.
        SandboxError: the sandbox does not work.
    """
    from benchmarks.pipeline.description import keep_domain

    methods, seeds = pipeline.config.methods, pipeline.config.seeds
    if not all(stored(method, seed) for seed in seeds for method in methods):
        keep_domain(pipeline)
        check_gold(pipeline)
    rows: list[SeedRun | FailedRun] = []
    for seed in seeds:
        if decided(rows):
            break
        missing = [method for method in methods if stored(method, seed) is None]
        if missing and pipeline.for_seed(seed).references_digest != pipeline.references_digest:
            keep_domain(pipeline.for_seed(seed))
        for method in methods:
            row: SeedRun | FailedRun | None = stored(method, seed)
            if row is None:
                on_row(method, seed)
                row = try_row(pipeline, method, seed)
                if isinstance(row, FailedRun):
                    on_failure(row)
                row = on_end(row)
            rows.append(row)
    return rows


def check_gold(pipeline: Pipeline) -> Stage:
    """Run the suite's canonical solutions through the evaluator, once per suite."""
    config = pipeline.config
    tried = config.evaluate
    gold_config = GoldConfig(suite=config.suite, split=tried.split, limit=tried.limit)
    return pipeline.step(gold, gold_config)


def run_row(pipeline: Pipeline, method: str, seed: int) -> SeedRun:
    """Take one method with one seed from references to Pass@1.

    Raises:
        SynthesisError: the method cannot continue, or produced no pair.
        EngineError: the engine cannot run the backbone.
    """
    config, row = pipeline.config, pipeline.for_row(method, seed)
    references = row.references

    synthesized = row.step(synthesize, synthesize_config(config, method), references)
    filtered = row.step(filter_instructions, config.filter, synthesized)
    responded = row.step(respond, respond_config(config, method), filtered, synthesized, references)
    agreed = row.step(filter_responses, config.filter, responded)
    new = synthesized.summary["synthesizes"]
    pairs = row.step(decontaminate, decontaminate_config(config, new), agreed, references)
    recipe = finetune_config(config, method)
    tuned = row.step(finetune, recipe, pairs, references if recipe.references else ())
    require_pairs(synthesized, tuned)
    evaluated = row.step(evaluate, evaluate_config(config, method), tuned)

    return SeedRun(
        method=method, seed=seed, synthesized=synthesized, filtered=filtered, responded=responded,
        agreed=agreed, pairs=pairs, tuned=tuned, evaluated=evaluated,
    )  # fmt: skip


def try_row(pipeline: Pipeline, method: str, seed: int) -> SeedRun | FailedRun:
    """Run a row; if its method fails, return the stage and the reason."""
    finished: list[Stage] = []

    def remember(stage: Stage, reused: bool) -> None:
        finished.append(stage)
        pipeline.on_stage(stage, reused)

    try:
        return run_row(replace(pipeline, on_stage=remember), method, seed)
    except ROW_ERRORS as error:
        failed = len(finished) - isinstance(error, NoPairsError)
        return FailedRun(
            method=method,
            seed=seed,
            asked=pipeline.config.draws if load_method(method).synthesizes else 0,
            stages=tuple(finished),
            stage=STEPS[failed],
            reason=" ".join(str(error).split()) or type(error).__name__,
        )


def walk_row(pipeline: Pipeline, method: str, seed: int) -> tuple[SeedRun | FailedRun, Description]:
    """Complete all stages of a row, including those that describe its data."""
    from benchmarks.pipeline.description import describe_rows, keep_domain

    check_gold(pipeline)
    row = try_row(pipeline, method, seed)
    for given in {p.references_digest: p for p in (pipeline, pipeline.for_seed(seed))}.values():
        keep_domain(given)
    return row, describe_rows(pipeline, [row], on_stage=lambda row, stage, reused: None)


def require_pairs(synthesized: Stage, tuned: Stage) -> None:
    """Refuse to score a method without training pairs: the score would be the backbone's.

    Raises:
        NoPairsError: the method should have produced pairs, but none is left.
    """
    drawn, new = synthesized.summary["drawn"], synthesized.summary["synthesizes"]
    if tuned.summary["kept"] or not (drawn or new):
        return
    if not drawn:
        why = synthesized.summary["why"] or "no reason given"
        raise NoPairsError(f"no pair to train on: the method returned nothing ({why})")
    raise NoPairsError(f"no pair to train on: all {drawn} instructions were dropped")


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""

    def work() -> int:
        command = read_command(arguments)
        if command.plan is not None:
            from benchmarks.planning.show import show_plan

            show_plan(command.config, command.plan, command.json)
            return 0
        report = execute(
            command.config, json_path=command.json, plain=command.plain, quiet=command.quiet
        )
        return 1 if report.failed else 0

    return exit_code("benchmarks.run", work)


if __name__ == "__main__":
    from benchmarks.common.process import prepare_process

    prepare_process()
    sys.exit(main(sys.argv[1:]))
