"""What every step of a run shares, and how a step becomes a stage: addressed, reused or run."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

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
from benchmarks.store.identity import code_version, digest
from benchmarks.store.remote import Unshared, open_shared
from benchmarks.store.store import Stage, Store
from benchmarks.suites.base import Suite
from benchmarks.suites.registry import GENERATED, load_suite, suite_module
from domino.records import Reference, result_fields

OnStage = Callable[[Stage, bool], None]
"""Called with (stage, whether it was complete already) as each step ends."""

CarryOut = Callable[["Pipeline", "Work"], bool]
"""Sees to it that a stage is complete; returns whether it was so already."""

_SUITES = "suite-digests.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What makes a stage; all but the stage is as `Pipeline.step` was given it."""

    stage: Stage
    module: ModuleType
    config: Any
    inputs: tuple[Stage | Sequence[Reference], ...]
    row: str
    seed: int | None
    runs_programs: bool
    address_inputs: Sequence[Stage] | None


def carry_out_here(pipeline: Pipeline, work: Work) -> bool:
    """Complete a stage in this process; the default of `Pipeline.carry_out`."""
    stage = work.stage
    reused = stage.complete
    if not reused:
        context = replace(pipeline.context, seed=work.seed or 0)
        with stage.writing(on_wait=pipeline.display.waiting):
            # Another process may have finished it meanwhile, or another machine before.
            reused = stage.complete or pipeline.shared.fetch(stage)
            if not reused:
                work.module.run(work.config, *work.inputs, stage, context)
    return reused


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """One invocation: its config, its data, its store, and where it reports to.

    Attributes:
        references: the references that methods are given.
        references_digest: of those references.
        suite_digest: of the suite's name, template and problems.
        problem_counts: how many problems each split has.
        model: of the backbone's files.
        context: what stages are given; each row replaces the seed.
        steps: how many steps the invocation has, gold check included.
        shared: the store at `--store`, beside the run directory.
        carry_out: where and how the work of a stage is done.
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
    shared: Unshared = field(default_factory=Unshared)
    carry_out: CarryOut = carry_out_here
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def step(
        self,
        module: ModuleType,
        config: Any,
        *inputs: Stage | Sequence[Reference],
        row: str,
        seed: int | None,
        runs_programs: bool = False,
        address_inputs: Sequence[Stage] | None = None,
    ) -> Stage:
        """Return the finished stage of `module.run(config, *inputs, stage, context)`.

        Args:
            module: one of `benchmarks.stages`.
            config: the stage's own config.
            inputs: earlier stages, and references, in the order that `run` takes them.
            row: whose step it is, for the display.
            seed: the row's seed; None where the stage draws nothing at random.
            runs_programs: whether the sandbox's limits can change the result.
            address_inputs: the stages that the result depends on, where not all of `inputs`.
        """
        stage = self.find(
            module, config, *inputs, seed=seed, runs_programs=runs_programs,
            address_inputs=address_inputs,
        )  # fmt: skip
        work = Work(
            stage=stage, module=module, config=config, inputs=inputs, row=row, seed=seed,
            runs_programs=runs_programs, address_inputs=address_inputs,
        )  # fmt: skip
        self.display.stage(row, next(self._numbers), self.steps)
        self.store.between()
        reused = self.carry_out(self, work)
        self.shared.keep(stage)
        if reused:
            self.display.reused(stage.name)
        self.on_stage(stage, reused)
        return stage

    def find(
        self,
        module: ModuleType,
        config: Any,
        *inputs: Stage | Sequence[Reference],
        seed: int | None,
        runs_programs: bool = False,
        address_inputs: Sequence[Stage] | None = None,
    ) -> Stage:
        """Return the stage that `step` would finish, as it is now; the arguments are the same."""
        stages = [item for item in inputs if isinstance(item, Stage)]
        return self.store.stage(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            config=self._identity(config, inputs, seed, runs_programs),
            inputs=stages if address_inputs is None else address_inputs,
            code=self._code(module, config),
        )

    def _identity(
        self,
        config: Any,
        inputs: Sequence[Stage | Sequence[Reference]],
        seed: int | None,
        runs_programs: bool,
    ) -> dict[str, Any]:
        """Return all that a stage's result depends on beside other stages and code."""
        given = [digest(tuple(item)) for item in inputs if not isinstance(item, Stage)]
        identity = {
            "config": config,
            "references": given,
            "seed": seed,
            "suite": self.suite_digest,
            "model": self.model_digest,
            "engine": engine_identity(self.config),
        }
        return {**identity, "sandbox": self._limits()} if runs_programs else identity

    def _limits(self) -> dict[str, Any]:
        """Return the sandbox's settings that can change a verdict."""
        limits: dict[str, Any] = result_fields(self.context.sandbox)
        if limits["interpreter"] in (None, sys.executable):  # its version matters, not its path
            limits["interpreter"] = f"Python {sys.version.split()[0]}"
        return limits

    def _code(self, module: ModuleType, config: Any) -> str:
        """Return the version of the stage's code; a method's own where its config names one."""
        method = getattr(config, "method", None)
        methods = [method_module(method)] if method else []
        engine = ENGINES[self.config.engine].modules
        return code_version(module.__name__, suite_module(self.config.suite), *engine, *methods)

    def beside(self, display: Display) -> Pipeline:
        """Return the same pipeline with a count of its own, that reports nothing but to `display`.

        What walks the same rows at the same time must not move the first one's count.
        """
        return replace(
            self, display=display, on_stage=lambda stage, reused: None, shared=Unshared(),
            _numbers=itertools.count(1),
        )  # fmt: skip

    def close(self) -> None:
        """Give back what engines hold outside of this process."""
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
    """Load the suite and find the model, so that every bad input is refused before any work.

    Args:
        config: the run.
        display: where progress is shown.
        steps: how many steps the invocation has.
        on_stage: called as each step ends.
        make_engine: how engines are made, where not as the config says.
        between: called where stopping loses nothing.

    Raises:
        ConfigError: the model or the engine is none here, the suite has too few references, or
            the shared store cannot be used.
        SuiteError: the suite's data cannot be read.
    """
    require_place(config.model)  # before a suite's data is fetched
    suite = load_suite(config.suite, config.suite_options)
    references = take_references(suite, config.references)
    model = resolve_model(config.model)
    context = StageContext(
        suite=suite,
        model=str(model),
        seed=0,
        sandbox=suite.limits(config.sandbox),
        progress=display,
        log=showing(display),
        make_engine=make_engine or engine_factory(config),
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
        steps=steps,
    )


def take_references(suite: Suite, count: int | None) -> tuple[Reference, ...]:
    """Return the first `count` references of a suite, all where it is None.

    Raises:
        ConfigError: the suite has fewer, or fewer than two.
    """
    references = suite.references()
    if len(references) < (count or 2):
        raise ConfigError(
            f"references: {suite.name} has {len(references)} and the run needs {count or 2}: "
            + ("give --references a smaller number, or " if len(references) >= 2 else "")
            + "give the suite more of them"
        )
    return references[:count]


def _suite_facts(config: RunConfig, suite: Suite) -> dict[str, Any]:
    """Return a suite's digest and its counts of problems, remembered where code makes them."""

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
    """Return a log that shows the loss beside the progress bar; a fit's is its objective."""

    def show(metrics: Mapping[str, float], step: int) -> None:
        if "objective" in metrics:
            display.note(f"fit step {step}, objective {metrics['objective']:.3f}")
        elif "loss" in metrics:
            display.note(f"loss {metrics['loss']:.3f}")

    return show
