"""One invocation from config to report: display, pipeline, rows, MLflow, table."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError, update
from benchmarks.config.run_config import respond_config, synthesize_config
from benchmarks.console.display import Display
from benchmarks.methods import is_plug_in, load_method
from benchmarks.models import resolve_model
from benchmarks.pipeline.pipeline import Pipeline
from benchmarks.pipeline.rows import FailedRow, Row
from benchmarks.report.facts import fact_rows
from benchmarks.report.rows import method_rows
from benchmarks.report.stored import compare_rows
from benchmarks.report.table import Report
from benchmarks.stages import finetune, respond, synthesize
from benchmarks.tracking.tracker import Tracker
from domino.synthesizer import Domain

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.config.run_config import RunConfig
    from benchmarks.report.page import StaticReport


def _python() -> str:
    """Return the interpreter that runs, as a person in this directory would type it."""
    found = Path(os.path.abspath(sys.executable))  # noqa: PTH100 - a link stays a link
    if shutil.which("python") == str(found):
        return "python"
    return os.path.relpath(found) if found.is_relative_to(Path.cwd()) else str(found)


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
        comparisons=compare_rows(rows),
    )
