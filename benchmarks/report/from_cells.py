"""Runs out of cells: what a folder of them holds, a run for each data set and setting."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.fields import ConfigError
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.pipeline.cell import DIGESTS, Cell, StageEntry, differing, differing_config
from benchmarks.pipeline.cell_folder import CellFolder
from benchmarks.pipeline.manifest import Invocation, plain_config
from benchmarks.pipeline.rows import FailedRun, SeedRun
from benchmarks.report.facts import fact_rows
from benchmarks.report.stored import StoredRun
from benchmarks.store.store import MANIFEST, canonical_json


def load_cells(*folders: Path, stages: Path | None = None) -> tuple[list[StoredRun], list[str]]:
    """Return the runs of folders of cells, and a line for each file that is none.

    Folders that have parts of one experiment are as one folder with all of their files.

    Args:
        folders: of the cells.
        stages: directory of a run's stages, from which records are read that cells do not hold.

    Raises:
        ConfigError: there is no cell, or seeds of one method were made with other options or code.
    """
    cells: dict[Path, Cell] = {}
    strange: list[str] = []
    for folder in folders:
        found, others = CellFolder(folder).read()
        if not found:
            said = "; ".join(others) or "there is no cell"
            raise ConfigError(f"cells {folder}: {said}; benchmarks.run --cells writes them")
        cells |= {folder / name: cell for name, cell in found.items()}
        strange += others
    runs: list[dict[Path, Cell]] = []
    for path, cell in cells.items():
        own = next((r for r in runs if _of_one_run(next(iter(r.values())), cell)), None)
        if own is None:
            runs.append({path: cell})
        else:
            own[path] = cell
    for own in runs:
        _require_one_making(own)
    return [stored_run(list(own.values()), stages) for own in runs], strange


def _require_one_making(cells: Mapping[Path, Cell]) -> None:
    """Refuse seeds of one method that are not of one method: other options, or other code.

    Raises:
        ConfigError: which two files, and in what they differ.
    """
    first: dict[str, tuple[Path, Cell]] = {}
    for name, cell in cells.items():
        if cell.failed_in:
            continue
        other, earlier = first.setdefault(cell.method, (name, cell))
        code = {stage.name: stage.code for stage in _made(earlier)}
        why = differing("", earlier.options, cell.options, missing=True) or ", ".join(
            f"code of {stage.name}"
            for stage in _made(cell)
            if code.get(stage.name, stage.code) != stage.code
        )
        if why:
            raise ConfigError(
                f"cells {other} and {name} are of one method and were made by different runs "
                f"({why}): report them from folders of their own"
            )


def _made(cell: Cell) -> list[StageEntry]:
    return [*cell.stages, *filter(None, [cell.measures])]


def _of_one_run(one: Cell, other: Cell) -> bool:
    """Whether two cells share data and setting, as far as both releases know of them."""
    return (
        one.key[:2] == other.key[:2]
        and all(one.about[name] == other.about[name] for name in DIGESTS)
        and not differing_config(one.config, other.config)
    )


def stored_run(
    cells: Sequence[Cell], stages: Path | None = None, methods: Sequence[str] = ()
) -> StoredRun:
    """Return the run that cells of one data set and setting make; rows that are missing say so.

    Its plan of comparisons is that of the cells, or the default one where they had several.

    Args:
        cells: in any order.
        stages: see `load_cells`.
        methods: of the run, in its order; empty takes all that the cells know of.
    """
    methods, seeds = methods or _methods(cells), sorted({cell.seed for cell in cells})
    failed_first = sorted(cells, key=lambda cell: not cell.failed_in)
    by_row = {(cell.seed, cell.method): cell for cell in failed_first}
    order = [(seed, method) for seed in seeds for method in methods]
    ordered = [by_row[key] for key in order if key in by_row]
    rows: list[SeedRun | FailedRun] = [
        by_row[key].row(_having(by_row[key], stages)) if key in by_row else _missing(*key)
        for key in order
    ]
    first = ordered[0]
    place = _having(first, stages)
    return StoredRun(
        invocation=_invocation(ordered, methods, seeds),
        domain=first.stage(first.domain, place),
        references=first.described(first.references, place),
        described={
            (cell.method, cell.seed): cell.described(cell.measures, _having(cell, stages))
            for cell in ordered
            if cell.measures is not None
        },
        rows=tuple(rows),
        settings={cell.method: cell.settings for cell in reversed(ordered)},
        cells=True,
        plans=tuple(_plans(ordered)),
    )


def _methods(cells: Sequence[Cell]) -> list[str]:
    """Return the methods that were planned, in the order of the command that planned most."""
    plans = sorted({cell.methods for cell in cells}, key=lambda plan: (-len(plan), plan))
    return list(dict.fromkeys(method for plan in plans for method in plan))


def _missing(seed: int, method: str) -> FailedRun:
    return FailedRun(method=method, seed=seed, asked=0, stages=(), stage="", reason="no cell")


def _having(cell: Cell, stages: Path | None) -> Path | None:
    """Return the directory of stages if it has all of the cell's."""
    if stages is None:
        return None
    own = [*cell.stages, cell.domain, cell.references, *filter(None, [cell.measures])]
    here = all((stages / entry.directory / MANIFEST).is_file() for entry in own)
    return stages if here else None


def _invocation(cells: Sequence[Cell], methods: Sequence[str], seeds: Sequence[int]) -> Invocation:
    first, plans = cells[0], _plans(cells)
    identity = canonical_json([[cell.key, cell.addresses, cell.failed_in] for cell in cells])
    short = hashlib.sha256(identity.encode()).hexdigest()[:8]
    facts = fact_rows((cell.method, cell.facts) for cell in cells)
    given = {cell.method: dict(cell.options) for cell in cells if cell.options}
    return Invocation(
        name=f"{first.about['suite']}-{short}",
        config={
            **_united([cell.config for cell in cells]), "methods": list(methods),
            "seeds": list(seeds),
            "method_options": {method: given[method] for method in sorted(given)},
            "compare": plans[0] if len(plans) == 1 else plain_config(ComparisonConfig()),
        },
        about={**_united([cell.about for cell in cells]), "seeds": list(seeds)},
        domain=first.domain.directory,
        embedded="",
        measures=first.references.directory,
        rows=(),
        facts={row.method: row.shares for row in facts},
        versions=_versions(cells),
    )  # fmt: skip


def _plans(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    """Return the plans under which cells were made, each once."""
    return list({canonical_json(cell.plan): cell.plan for cell in cells}.values())


def _united(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return all fields of mappings that agree in those that they share."""
    return {name: value for one in reversed(values) for name, value in one.items()}


def _versions(cells: Sequence[Cell]) -> Mapping[str, str]:
    """Return versions and git commits; several where cells differ."""
    names = sorted({name for cell in cells for name in cell.versions})
    return {
        name: ", ".join(sorted({cell.versions.get(name, "") for cell in cells})) for name in names
    }
