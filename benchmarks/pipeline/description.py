"""After the rows: what each method's data is like, computed once and stored as stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.models import model_digest, resolve_model
from benchmarks.pipeline.rows import Described, Description, FailedRow, Row
from benchmarks.stages import describe, embed
from benchmarks.stages import domain as domain_stage
from benchmarks.stages.describe import DescribeConfig
from benchmarks.stages.domain import DomainConfig

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.stages.embed import EmbedConfig
    from benchmarks.store.store import Stage


def description_steps(config: RunConfig) -> int:
    """Return how many steps a description has, the keeping of the domain included."""
    return 1 + 2 + 2 * len(config.methods) * len(config.seeds)


def keep_domain(pipeline: Pipeline) -> Stage:
    """Store references and problems, for reports that are made from records alone."""
    config = DomainConfig(split=pipeline.config.evaluate.split)
    return pipeline.step(
        domain_stage, config, pipeline.references, row=pipeline.config.suite, seed=None
    )


def describe_rows(
    pipeline: Pipeline,
    domain: Stage,
    rows: Sequence[Row | FailedRow],
    *,
    on_stage: Callable[[Row | FailedRow | None, Stage, bool], None],
) -> Description:
    """Describe the references and every row that drew instructions; nothing is computed twice.

    Args:
        pipeline: of the run.
        domain: what `keep_domain` returned.
        rows: the rows, ended.
        on_stage: called with (row, or None for the references; stage; whether it was complete).
    """
    config = replace(pipeline.config.embed, model=None)
    pipeline = _embedding(pipeline)
    told = replace(pipeline, on_stage=lambda stage, reused: on_stage(None, stage, reused))
    try:
        embedded = told.step(embed, config, domain, row=pipeline.config.suite, seed=None)
        references = _describe(told, embedded, embedded, domain, "references")
        described = {}
        for row in rows:
            if row.stages:
                told = replace(pipeline, on_stage=_on_stage_of(row, on_stage))
                described[row.method, row.seed] = _row(told, config, embedded, row)
    finally:
        embed.forget_models()
    return Description(domain=domain, references=references, rows=described)


def _on_stage_of(
    row: Row | FailedRow, on_stage: Callable[[Row | FailedRow | None, Stage, bool], None]
) -> Callable[[Stage, bool], None]:
    return lambda stage, reused: on_stage(row, stage, reused)


def _row(pipeline: Pipeline, config: EmbedConfig, domain: Stage, row: Row | FailedRow) -> Described:
    synthesized, name = row.stages[0], f"{row.method} seed {row.seed}"
    embedded = pipeline.step(embed, config, synthesized, row=name, seed=None)
    return _describe(pipeline, domain, embedded, synthesized, "drawn", name=name)


def _describe(
    pipeline: Pipeline, domain: Stage, embedded: Stage, source: Stage, group: str, name: str = ""
) -> Described:
    measures = pipeline.step(
        describe, DescribeConfig(group=group), domain, embedded, source, pipeline.references,
        row=name or pipeline.config.suite, seed=None,
    )  # fmt: skip
    return Described(embedded=embedded, measures=measures)


def _embedding(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with the model that embeds in the backbone's place."""
    name = pipeline.config.embed.model
    if name is None:
        return pipeline
    path = resolve_model(name)
    return replace(
        pipeline,
        context=replace(pipeline.context, model=str(path)),
        model_digest=model_digest(path, pipeline.config.output),
    )
