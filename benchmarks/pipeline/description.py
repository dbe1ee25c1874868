"""Properties of each method's data, computed after the rows and stored as stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.models import model_digest, resolve_model
from benchmarks.pipeline.rows import Described, Description, FailedRun, SeedRun
from benchmarks.stages import describe, domain, embed
from benchmarks.stages.describe import DescribeConfig
from benchmarks.stages.domain import DomainConfig

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.store.store import Stage


def description_steps(config: RunConfig) -> int:
    """Return how many steps a description has: the domain, the references, each row."""
    return 1 + 2 + 2 * len(config.methods) * len(config.seeds)


def keep_domain(pipeline: Pipeline) -> Stage:
    """Store references and problems, so that reports can be made from records alone.

    The references are the pipeline's; where each seed draws its own, `for_seed` has them.
    """
    return pipeline.step(domain, _domain_config(pipeline.config), pipeline.references)


def _kept_domain(pipeline: Pipeline) -> Stage:
    return pipeline.call(domain, _domain_config(pipeline.config), pipeline.references).stage


def _domain_config(config: RunConfig) -> DomainConfig:
    return DomainConfig(split=config.evaluate.split)


def describe_rows(
    pipeline: Pipeline,
    rows: Sequence[SeedRun | FailedRun],
    *,
    on_stage: Callable[[SeedRun | FailedRun | None, Stage, bool], None],
) -> Description:
    """Describe the references and every row that drew instructions; nothing is computed twice.

    Args:
        pipeline: of the run; `keep_domain` has been called with the references of every row.
        rows: the rows, ended.
        on_stage: called with (row, or None for the references; stage; whether it was complete).
    """
    kept = _kept_domain(pipeline)
    config = replace(pipeline.config.embed, model=None)
    plain, pipeline = pipeline, _embedding(pipeline)
    try:
        told = replace(pipeline, on_stage=partial(on_stage, None))
        embedded = told.step(embed, config, kept)
        references = _describe(told, "references", embedded, embedded, kept)
        against = {pipeline.references_digest: embedded}
        described = {}
        for row in rows:
            if row.stages:
                told = replace(
                    pipeline.for_row(row.method, row.seed), on_stage=partial(on_stage, row)
                )
                given = told.references_digest
                if given not in against:
                    of_seed = _kept_domain(plain.for_seed(row.seed))
                    against[given] = told.step(embed, config, of_seed)
                drawn = told.step(embed, config, row.stages[0])
                described[row.method, row.seed] = _describe(
                    told, "drawn", against[given], drawn, row.stages[0]
                )
    finally:
        embed.forget_models()
    return Description(domain=kept, references=references, rows=described)


def measures_address(pipeline: Pipeline, row: SeedRun) -> str:
    """Return the cache key of the stage that says what a row drew is like."""
    plain, pipeline = pipeline.for_seed(row.seed), _embedding(pipeline)
    config = replace(pipeline.config.embed, model=None)
    told = pipeline.for_row(row.method, row.seed)
    against = told.call(embed, config, _kept_domain(plain)).stage
    drawn = told.call(embed, config, row.synthesized).stage
    measured = DescribeConfig(group="drawn")
    call = told.call(describe, measured, against, drawn, row.synthesized, told.references)
    return call.stage.address


def _describe(
    pipeline: Pipeline, group: str, domain: Stage, embedded: Stage, source: Stage
) -> Described:
    config = DescribeConfig(group=group)
    measures = pipeline.step(describe, config, domain, embedded, source, pipeline.references)
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
