"""The outputs of a setting with one seed: stages, each run when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.config.run_config import synthesize_config
from benchmarks.pipeline.rows import SeedRun
from benchmarks.run import run_row
from benchmarks.stages import synthesize
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Reference, Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.store.store import Stage


class TrialOutputs:
    """A method with a seed under one setting; objectives and measures read it."""

    def __init__(self, pipeline: Pipeline, method: str, seed: int, *, whole: bool) -> None:
        """Run nothing yet.

        Args:
            pipeline: over development problems, with the setting in its config.
            method: the one that is tuned.
            seed: of the row.
            whole: whether a requested measure needs all stages; else only the first one is run.
        """
        self.pipeline, self.method, self.seed = pipeline, method, seed
        self._whole = whole

    @cached_property
    def row(self) -> SeedRun:
        """All stages, from synthesis to evaluation."""
        return run_row(self.pipeline, self.method, self.seed)

    @cached_property
    def synthesized(self) -> Stage:
        """The first stage: the fit, and the samples."""
        if self._whole:
            return self.row.synthesized
        config = synthesize_config(self.pipeline.config, self.method)
        row = self.pipeline.for_row(self.method, self.seed)
        return row.step(synthesize, config, row.references)

    @cached_property
    def drawn(self) -> list[str]:
        """The sampled instructions, before any filter."""
        return [record.instruction for record in self.synthesized.read(SYNTHETIC, Synthetic)]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references of the method."""
        return self.pipeline.for_seed(self.seed).references

    def tasks(self, instructions: Sequence[str]) -> list[str]:
        """Return the task of each instruction, whatever its wording; "" if it is not a task."""
        from benchmarks.stages.describe import program_keys

        named = [(str(number), text) for number, text in enumerate(instructions)]
        keys = program_keys(named, self.pipeline.context.suite, self.references)
        return [key.key for key in keys]
