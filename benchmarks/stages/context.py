"""The context of a stage: suite, engines, progress and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.console.display import Display
from benchmarks.stages.curves import _no_log
from benchmarks.stages.errors import BackboneError
from domino.engines.base import EngineError
from domino.engines.chat import ChatFormat
from domino.records import Sampling, derive_seed
from domino.synthesizer import FitContext

if TYPE_CHECKING:
    from benchmarks.engines import EngineFactory
    from benchmarks.evaluator.gold import KnownGolds
    from benchmarks.sandbox import SandboxConfig
    from benchmarks.stages.curves import Log
    from benchmarks.stages.finetuning.config import AccelerateConfig
    from benchmarks.suites.base import Suite
    from domino.engines.base import Engine
    from domino.records import Verdict


CheckPrograms = Callable[..., "list[Verdict]"]
"""Takes and returns what `benchmarks.evaluator.check.check_programs` does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageContext:
    """Shared by all stages of one method and seed.

    Attributes:
        suite: the benchmark.
        model: directory or hub name of the backbone.
        seed: base seed of this row; stages derive their own from it.
        sandbox: limits for untrusted programs.
        make_engine: makes engines; tests give a scripted one.
        progress: the display.
        log: called with (metrics by name, step) for each point of a curve.
        chat: how turns become text.
        attention: implementation of attention for fitting and training.
        make_solver: makes engines that solve the problems; default: `make_engine`.
        accelerate: processes of fine-tuning; None is this process.
        check: checks solutions; default: `check_programs` in this process.
        golds: results of the suite's canonical solutions, computed once in this process.
    """

    suite: Suite
    model: str
    seed: int
    sandbox: SandboxConfig
    make_engine: EngineFactory
    progress: Display = field(default_factory=Display)
    log: Log = _no_log
    chat: ChatFormat = field(default_factory=ChatFormat)
    attention: str = "auto"
    make_solver: EngineFactory | None = None
    accelerate: AccelerateConfig | None = None
    check: CheckPrograms | None = None
    golds: KnownGolds = field(default_factory=dict, repr=False)
    _engines: dict[str, Engine] = field(default_factory=dict, repr=False)

    def engine(self) -> Engine:
        """Return the engine of the plain backbone, made on first use and kept.

        Raises:
            BackboneError: it cannot be loaded.
        """
        if self.model not in self._engines:
            try:
                self._engines[self.model] = self.make_engine(self.model, None)
            except EngineError as error:
                raise BackboneError(str(error)) from error
        return self._engines[self.model]

    @contextmanager
    def solver(self, adapter: Path | None) -> Iterator[Engine]:
        """Give the engine that solves the problems: of the backbone with a peft adapter, or plain.

        One of its own is alone: the plain one is released before, and it is closed at the end.

        Raises:
            BackboneError: the plain backbone cannot be loaded.
            EngineError: the backbone cannot be loaded with the adapter.
        """
        if adapter is None and self.make_solver is None:
            yield self.engine()
            return
        self.release_engine()
        with (self.make_solver or self.make_engine)(self.model, adapter) as engine:
            yield engine

    def rest_engine(self) -> None:
        """Have the plain engine give back what it holds outside of this process, until it is used.

        A method that trains needs the GPU's memory for the backbone in this process.
        """
        for engine in self._engines.values():
            engine.close()

    def release_engine(self) -> None:
        """Forget the plain engine, so that its memory comes back before another model is loaded."""
        self.rest_engine()
        self._engines.clear()

    def fit_context(
        self, log: Log, *, sampling: Sampling | None = None, scratch: Path | None = None
    ) -> FitContext:
        """Return what a method is given while it learns or is loaded; see `FitContext`."""
        return FitContext(
            engine=self.engine(),
            model=self.model,
            seed=self.seed,
            log=log,
            sampling=sampling,
            scratch=scratch,
            notify=self.progress.line,
            attention=self.attention,
        )


def seeded(sampling: Sampling, seed: int, *labels: str | int) -> Sampling:
    """Return the sampling with the seed of one named use in a row."""
    return replace(sampling, seed=derive_seed(seed, *labels, sampling.seed))
