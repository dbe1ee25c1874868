"""The cells of one run: which rows are there and agree with the command, and one for each new row.

A cell agrees where its stages have the cache keys that the command would give them: config, code,
checkpoint and data are the same. Code that cannot change a stage's result is not part of its key,
nor is the plan of comparisons, or which methods, seeds and data sets a command asks for: the cells
of an experiment that several machines share out are one folder, however each of them was asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.config.portable import portable, without_place
from benchmarks.config.run_config import options_of
from benchmarks.methods import MethodError, is_known, is_plug_in
from benchmarks.pipeline.cell import (
    DIGESTS,
    Cell,
    ProgramOutcomes,
    StageEntry,
    differing,
    differing_config,
    pack_bits,
)
from benchmarks.pipeline.cell_folder import CellFolder
from benchmarks.pipeline.description import measures_address
from benchmarks.pipeline.manifest import describe_pipeline, plain_config
from benchmarks.pipeline.pipeline import Pipeline
from benchmarks.pipeline.rows import FailedRun, SeedRun
from benchmarks.report.facts import fact_counts
from benchmarks.report.sweeps import recorded_options
from benchmarks.stages.describe import PROGRAMS_OF, ProgramKey
from benchmarks.stages.evaluate import VERDICTS
from benchmarks.stages.synthesize import METHOD
from benchmarks.store.provenance import machine_kind, machine_tags
from domino.records import Verdict

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import Description
    from benchmarks.store.store import Stage
    from domino.records import Reference

OF_ROWS = ("methods", "seeds", "method_options", "compare")
"""The fields of a run that its rows do not share, and how they are to be compared.

What is asked for and how it will be compared make no row another one."""
_MEASURES = ("embed",)  # of the data; no stage of a row depends on it
_FILES_NAMED = 6

RunRow = Callable[[Pipeline, str, int], SeedRun]
"""`run.run_row`."""


class _OtherStage(Exception):
    """A stage of a cell is not the one that this run would make."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Replay(Pipeline):
    """Walks a row with the stages of a cell, as far as they have the keys of this run."""

    stages: Mapping[str, Stage]

    @classmethod
    def of(cls, pipeline: Pipeline, row: SeedRun) -> _Replay:
        own = {f.name: getattr(pipeline, f.name) for f in dataclasses.fields(pipeline)}
        return cls(**own, stages={stage.name: stage for stage in row.stages})

    def step(self, module: ModuleType, config: Any, *inputs: Stage | Sequence[Reference]) -> Stage:
        wanted = self.call(module, config, *inputs).stage
        found = self.stages[wanted.name]
        if found.address != wanted.address:
            raise _OtherStage(wanted.name)
        return found


class RunCells:
    """The cells of one run in a folder, which may hold those of other data sets too."""

    def __init__(self, folder: Path, pipeline: Pipeline, run_row: RunRow) -> None:
        """Read nothing yet."""
        self.folder = CellFolder(folder)
        self.written: set[tuple[str, int]] = set()  # by this invocation, perhaps ahead of its turn
        self._pipeline, self._run_row = pipeline, run_row
        self._about = describe_pipeline(pipeline)
        self._about["model"] = without_place(str(self._about["model"]))
        del self._about["seeds"]
        config = portable(plain_config(pipeline.config))
        self._plan = config["compare"]
        self._config = {name: value for name, value in config.items() if name not in OF_ROWS}
        self._agree: set[tuple[str, ...]] = set()

    def check(self) -> int:
        """Return how many rows of the run are there, or refuse what does not agree with the run.

        Raises:
            ConfigError: files are not cells, or cells were made by another run.
        """
        cells, strange = self.folder.read()
        if strange:
            raise ConfigError(f"{_few(strange)}; remove them, or give --cells another folder")
        other = [f"{name} ({why})" for name, cell in cells.items() if (why := self._other(cell))]
        if other:
            raise ConfigError(
                f"cells {self.folder.path}: made by another run: {_few(other)}; give --cells a new "
                "folder, or the command (and the commit) that made them"
            )
        config = self._pipeline.config
        rows = [(method, seed) for method in config.methods for seed in config.seeds]
        return sum(self.stored(*row) is not None for row in rows)

    def stored(self, method: str, seed: int) -> SeedRun | None:
        """Return a row that is there; None where it is not, or failed.

        Raises:
            ConfigError: its file is not a cell, or was made by another run.
        """
        found = self.folder.find(self._about, method, seed)
        if found is None:
            return None
        name, cell = found
        why = self._other(cell)
        if why:
            raise ConfigError(
                f"cells {self.folder.path}: {name} was made by another run ({why}); give --cells a "
                "new folder"
            )
        row = cell.row()
        assert isinstance(row, SeedRun)  # a failed row has a file of another name
        return row

    def there(self) -> list[Cell]:
        """Return the cells of the run's data set, also of methods and seeds that it has not."""
        cells, _ = self.folder.read()
        own = self._about["suite"], self._about["variant"]
        return [cell for cell in cells.values() if cell.key[:2] == own]

    def of(self, rows: Sequence[SeedRun | FailedRun]) -> list[Cell]:
        """Return the cells of rows, in their order."""
        by_row = {(cell.method, cell.seed): cell for cell in self.there()}
        return [by_row[row.method, row.seed] for row in rows]

    def keep(self, row: SeedRun | FailedRun, description: Description) -> SeedRun | FailedRun:
        """Write the cell of a row that has ended, and return the row that is kept there.

        Raises:
            ConfigError: a cell of another run has been put there meanwhile.
            StoreError: it cannot be written.
        """
        cell = self._cell(row, description)
        self.written.add((row.method, row.seed))
        self.folder.write(cell)
        return self.stored(row.method, row.seed) or cell.row()

    def _cell(self, row: SeedRun | FailedRun, description: Description) -> Cell:
        pipeline, config = self._pipeline, self._pipeline.config
        described = description.rows.get((row.method, row.seed))
        measures = None if described is None else described.measures
        cell = Cell(
            method=row.method, seed=row.seed, methods=tuple(config.methods), about=self._about,
            config=self._config, plan=self._plan, options=dict(options_of(config, row.method)),
            settings=recorded_options(row.stages[0].path / METHOD) if row.stages else {},
            stages=tuple(map(StageEntry.of, row.stages)), domain=StageEntry.of(description.domain),
            references=StageEntry.of(description.references.measures),
            measures=None if measures is None else StageEntry.of(measures),
            growth="" if measures is None else pack_bits(_new_tasks(measures)),
            versions=machine_tags(), machine=machine_kind(),
        )  # fmt: skip
        if isinstance(row, FailedRun):
            return replace(cell, asked=row.asked, failed_in=row.stage, reason=row.reason)
        return replace(
            cell,
            outcomes=ProgramOutcomes.of(row.evaluated.read(VERDICTS, Verdict)),
            facts=fact_counts(row, pipeline.context.suite, pipeline.for_seed(row.seed).references),
        )

    def _other(self, cell: Cell) -> str:
        """Return why a cell is another run's; "" where it agrees, or its row failed."""
        seen = (*map(str, cell.key), *cell.addresses)
        other_data = cell.key[:2] != (self._about["suite"], self._about["variant"])
        if cell.failed_in or other_data or seen in self._agree:
            return ""
        why = self._other_stage(cell)
        if not why:
            self._agree.add(seen)
        return why

    def _other_stage(self, cell: Cell) -> str:
        """Return in what the first stage differs that this run would make anew."""
        row, pipeline = cell.row(), self._making(cell)
        assert isinstance(row, SeedRun)
        if not is_known(cell.method) and not is_plug_in(cell.method):
            return self._shared(cell)  # a method of another release
        try:
            self._run_row(_Replay.of(pipeline, row), cell.method, cell.seed)
        except _OtherStage as stage:
            return self._explained(cell) or f"code of {stage}"
        except MethodError:  # a plug-in that this machine does not have, and is not asked for
            return self._shared(cell)
        measured = {name: cell.config.get(name) for name in _MEASURES}
        if why := differing("", measured, self._config):
            return why
        same = cell.measures and cell.measures.address == measures_address(pipeline, row)
        return "" if same else "code of describe"

    def _making(self, cell: Cell) -> Pipeline:
        """Return the pipeline as it would make a cell; what it does not ask for has own options."""
        config = self._pipeline.config
        if cell.method in config.methods:
            return self._pipeline
        options = {cell.method: cell.options} if cell.options else {}
        return replace(
            self._pipeline,
            config=replace(config, methods=(cell.method,), method_options=options,
                           compare=ComparisonConfig()),
        )  # fmt: skip

    def _shared(self, cell: Cell) -> str:
        """Return in what data, checkpoint or config differ, which all rows share; "" in nothing."""
        for name, what in DIGESTS.items():
            there, here = str(cell.about.get(name)), self._about[name]
            if there != here:
                return f"{what} {there[:12]}, here {here[:12]}"
        return differing_config(cell.config, self._config)

    def _explained(self, cell: Cell) -> str:
        """Return in what but code a row differs; "" in nothing."""
        options = dict(options_of(self._making(cell).config, cell.method))
        tags = machine_tags()
        versions = {name: tags[name] for name in tags if name.startswith("version.")}
        return (
            self._shared(cell)
            or differing(f"method_options.{cell.method}.", cell.options, options, missing=True)
            or differing("", cell.versions, versions)
        )


def _few(lines: Sequence[str]) -> str:
    rest = len(lines) - _FILES_NAMED
    return "; ".join(lines[:_FILES_NAMED]) + (f"; and {rest} more" if rest > 0 else "")


def _new_tasks(measures: Stage) -> list[bool]:
    """Return of each draw whether it states a task that none before it does."""
    seen: set[str] = set()
    new = []
    for key in measures.read(PROGRAMS_OF, ProgramKey):
        new.append(bool(key.key) and key.key not in seen)
        seen.add(key.key)
    return new
