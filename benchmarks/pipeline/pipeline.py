"""The pipeline of a run: each step becomes a stage with a cache key, which is reused or run."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.chat_templates import chat_format
from benchmarks.common.fields import ConfigError
from benchmarks.common.remembered import remembered
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display
from benchmarks.engines import (
    ENGINES,
    EngineFactory,
    engine_factory,
    engine_identity,
    solver_factory,
)
from benchmarks.methods import method_module
from benchmarks.models import model_digest, require_place, resolve_model
from benchmarks.stages.context import StageContext
from benchmarks.stages.traits import Traits
from benchmarks.store.identity import code_version, digest
from benchmarks.store.remote import NoRemoteStore, open_shared
from benchmarks.store.store import Stage, Store
from benchmarks.suites.base import Suite
from benchmarks.suites.registry import GENERATED, load_suite, suite_module
from domino.records import Reference, derive_seed, result_fields

OnStage = Callable[[Stage, bool], None]
"""Called with (stage, whether it was complete already) after each step."""

CarryOut = Callable[["Pipeline", "StageCall"], bool]
"""Completes a stage; returns whether it was complete already."""

_SUITES = "suite-digests.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCall:
    """The computation of a stage: `module.run(config, *inputs, stage, context)`.

    Attributes:
        row: whose stage it is, for the display.
        seed: the row's; None where the stage does not draw at random.
    """

    stage: Stage
    module: ModuleType
    config: Any
    inputs: tuple[Stage | Sequence[Reference], ...]
    row: str
    seed: int | None


def carry_out_here(pipeline: Pipeline, call: StageCall) -> bool:
    """Complete a stage in this process; the default of `Pipeline.carry_out`."""
    stage = call.stage
    reused = stage.complete
    if not reused:
        with stage.writing(on_wait=pipeline.display.waiting):
            # Another process or machine may have finished it while this one waited.
            reused = stage.complete or pipeline.shared.download(stage)
            if not reused:
                _require_same_model(pipeline)
                context = replace(pipeline.context, seed=call.seed or 0)
                call.module.run(call.config, *call.inputs, stage, context)
    return reused


def _require_same_model(pipeline: Pipeline) -> None:
    """Refuse to store under a cache key what another model than the key's would compute.

    Raises:
        ConfigError: the model's files have changed since the run began.
    """
    model = Path(pipeline.context.model)
    if model_digest(model, pipeline.config.output) != pipeline.model_digest:
        raise ConfigError(
            f"model {model} has changed since the run began: leave its files alone, and type the "
            "same command again"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """One invocation: its config, its data, its store, and where it reports to.

    Attributes:
        references: the references that methods are given; those of the first seed where the suite
            draws them for each.
        references_digest: of those references.
        suite_digest: of the suite's name, template and problems.
        problem_counts: how many problems each split has.
        model_digest: of the backbone's files.
        context: what stages are given; each row replaces the seed.
        steps: how many steps the invocation has, gold check included.
        row: whose stages it completes, for the display: a method with a seed, or all rows'.
        seed: of the row; None for what all rows share.
        shared: the store at `--store`, in addition to the run directory.
        carry_out: where and how a stage is computed.
    """

    config: RunConfig
    references: tuple[Reference, ...]
    suite_digest: str
    problem_counts: Mapping[str, int]
    model_digest: str
    context: StageContext
    references_digest: str
    store: Store
    display: Display
    on_stage: OnStage
    steps: int
    row: str
    seed: int | None = None
    shared: NoRemoteStore = field(default_factory=NoRemoteStore)
    carry_out: CarryOut = carry_out_here
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def for_row(self, method: str, seed: int) -> Pipeline:
        """Return the pipeline that completes the stages of one method with one seed."""
        alias = method.partition("@")[2]
        drawn = derive_seed(seed, "alias", alias) if alias else seed
        return replace(self.for_seed(seed), row=f"{method} seed {seed}", seed=drawn)

    def for_seed(self, seed: int) -> Pipeline:
        """Return the pipeline with the references of a seed, if the suite samples them."""
        if not self.context.suite.draws_references:
            return self
        references = take_references(self.context.suite, self.config.references, seed)
        return replace(self, references=references, references_digest=digest(references))

    def step(self, module: ModuleType, config: Any, *inputs: Stage | Sequence[Reference]) -> Stage:
        """Return the finished stage of `module.run(config, *inputs, stage, context)`.

        Args:
            module: one of `benchmarks.stages`; its `TRAITS` say what its result depends on.
            config: the stage's own config.
            inputs: earlier stages, and references, in the order that `run` takes them.
        """
        call = self.call(module, config, *inputs)
        stage = call.stage
        self.display.stage(self.row, next(self._numbers), self.steps)
        self.store.between()
        reused = self.carry_out(self, call)
        self.shared.upload(stage)
        if reused:
            self.display.reused(stage.name)
        self.on_stage(stage, reused)
        return stage

    def call(
        self, module: ModuleType, config: Any, *inputs: Stage | Sequence[Reference]
    ) -> StageCall:
        """Return the computation of `step`, with the stage in its present state."""
        traits: Traits = module.TRAITS
        seed = self.seed if traits.random(config) else None
        identity = {
            "config": config,
            "references": [digest(tuple(item)) for item in inputs if not isinstance(item, Stage)],
            "seed": seed,
            "suite": self.suite_digest,
            "model": self.model_digest,
            "engine": engine_identity(self.config),
            "chat": self.context.chat,
        }
        if traits.runs_programs(config):
            identity["sandbox"] = self._limits()
        if traits.asks:
            identity["rules"] = self.context.suite.rules
        if traits.shows_references(config):
            identity["shown"] = self.references_digest
        stage = self.store.stage(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            config=identity,
            inputs=traits.depends_on(*inputs),
            code=self.code(module, config),
        )
        return StageCall(
            stage=stage, module=module, config=config, inputs=inputs, row=self.row, seed=seed
        )

    def _limits(self) -> dict[str, Any]:
        """Return the sandbox's settings that can change a verdict."""
        limits: dict[str, Any] = result_fields(self.context.sandbox)
        if limits["interpreter"] in (None, sys.executable):  # its version matters, not its path
            limits["interpreter"] = f"Python {sys.version.split()[0]}"
        return limits

    def code(self, module: ModuleType, config: Any) -> str:
        """Return the version of the stage's code, including the method that its config names."""
        method = getattr(config, "method", None)
        methods = [method_module(method)] if method else []
        engine = ENGINES[self.config.engine].modules
        return code_version(module.__name__, suite_module(self.config.suite), *engine, *methods)

    def detached(self, display: Display) -> Pipeline:
        """Return a pipeline with its own count of steps, which reports only to `display`.

        Threads that complete later rows at the same time must not change the displayed count.
        """
        return replace(
            self, display=display, on_stage=lambda stage, reused: None, shared=NoRemoteStore(),
            _numbers=itertools.count(1),
        )  # fmt: skip

    def close(self) -> None:
        """Release the engines' resources outside this process."""
        self.context.release_engine()


def open_pipeline(
    config: RunConfig,
    *,
    display: Display,
    steps: int,
    on_stage: OnStage = lambda stage, reused: None,
    make_engine: EngineFactory | None = None,
    between: Callable[[], None] = lambda: None,
) -> Pipeline:
    """Load the suite and find the model, so that invalid input is refused before any work.

    Args:
        config: the run.
        display: where progress is shown.
        steps: number of steps of the command.
        on_stage: called after each step.
        make_engine: makes engines; default: from the config.
        between: called where no work is lost by stopping.

    Raises:
        ConfigError: the model or the engine is not available, the suite has too few references,
            or the shared store cannot be used.
        SuiteError: the suite's data cannot be read.
    """
    require_place(config.backbone)  # before a suite's data is fetched
    suite = load_suite(config.suite, config.suite_options)
    config = replace(config, description=config.description or suite.description)
    references = take_references(suite, config.references, config.seeds[0])
    model = resolve_model(config.backbone, notify=display.line)
    context = StageContext(
        suite=suite,
        model=str(model),
        seed=0,
        sandbox=suite.limits(config.sandbox),
        progress=display,
        log=showing(display),
        make_engine=make_engine or engine_factory(config),
        chat=chat_format(config),
        attention=config.attention,
        accelerate=config.accelerate,
        make_solver=None if make_engine else solver_factory(config),
    )
    known = _suite_facts(config, suite)
    return Pipeline(
        config=config,
        references=references,
        suite_digest=known["digest"],
        problem_counts=known["problems"],
        model_digest=model_digest(model, config.output),
        context=context,
        references_digest=digest(references),
        store=Store(config.output, between=between),
        shared=open_shared(config.store, warn=display.line),
        display=display,
        on_stage=on_stage,
        steps=steps + (2 * (len(config.seeds) - 1) if suite.draws_references else 0),
        row=config.suite,
    )


def take_references(suite: Suite, count: int | None, seed: int) -> tuple[Reference, ...]:
    """Return the first `count` references of a suite; all if it is None.

    If the suite samples references, their order depends on the seed: for one seed, fewer references
    are the first of more.

    Raises:
        ConfigError: the suite has fewer, or fewer than two.
    """
    references = suite.references()
    if len(references) < (count or 2):
        raise ConfigError(
            f"references: {suite.name} has {len(references)}, but the run needs {count or 2}: "
            + ("give a smaller --references, or " if len(references) >= 2 else "")
            + "add references to the suite"
        )
    if suite.draws_references:
        order = random.Random(derive_seed(seed, "references"))
        references = tuple(order.sample(references, len(references)))
    return references[:count]


def _suite_facts(config: RunConfig, suite: Suite) -> dict[str, Any]:
    """Return a suite's digest and its counts of problems, cached if code generates them."""

    def compute() -> dict[str, Any]:
        problems = [suite.problems("test"), suite.problems("development")]
        return {
            "digest": digest([suite.name, suite.template, problems]),
            "problems": {"test": len(problems[0]), "development": len(problems[1])},
        }

    if config.suite not in GENERATED:
        return compute()
    state = [code_version(suite_module(config.suite)), sys.version]
    key = digest([config.suite, config.suite_options])
    return remembered(config.output / _SUITES, key, state, compute)


def showing(display: Display) -> Callable[[Mapping[str, float], int], None]:
    """Return a log that shows the loss next to the progress bar; for a fit, its objective."""

    def show(metrics: Mapping[str, float], step: int) -> None:
        if "objective" in metrics:
            display.note(f"fit step {step}, objective {metrics['objective']:.3f}")
        elif "loss" in metrics:
            display.note(f"loss {metrics['loss']:.3f}")

    return show
