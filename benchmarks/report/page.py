"""A report as one self-contained HTML page, and as files of its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.common.fields import flatten
from benchmarks.common.files import write_atomically, write_error
from benchmarks.report.changes import row_changes
from benchmarks.report.cost_plots import cost_figures
from benchmarks.report.display_table import DisplayTable
from benchmarks.report.figures import INK, DrawnFigure
from benchmarks.report.frames import Frames, frames
from benchmarks.report.maps import embedding_map
from benchmarks.report.plots import COUNTS, against_count, forest, pass_at_1, support_growth
from benchmarks.report.sentences import (
    exploratory_lines,
    headline,
    how,
    missing_lines,
    pooled_lines,
    primary_lines,
)
from benchmarks.report.side_by_side import closest
from benchmarks.report.sweeps import sweep_figures
from benchmarks.report.tables import tables
from benchmarks.report.terminal import remarks, suite_words

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.stored import StoredRun

PAGE = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"


class NamedFrames(Protocol):
    """Records as pandas frames, by name."""

    def items(self) -> Iterable[tuple[str, pd.DataFrame]]:
        """Return the frames by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticReport:
    """A report of stored runs or of a study, not yet written.

    Attributes:
        html: the page.
        summary: the comparisons and the first table, as Markdown.
        tables: its tables.
        figures: its figures.
        frames: the records on which they are based.
        pages: further pages by file name, linked from the first one.
    """

    html: str
    summary: str
    tables: tuple[DisplayTable, ...]
    figures: tuple[DrawnFigure, ...]
    frames: NamedFrames
    pages: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write report.html, report.md, tables/ and figures/; return the page's path.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            for name in ("tables", "figures", *(["changes"] if self.pages else [])):
                (folder / name).mkdir(parents=True, exist_ok=True)
            for figure in self.figures:
                (folder / "figures" / f"{figure.name}.png").write_bytes(figure.png)
        except OSError as error:
            raise write_error(folder, error) from error
        for name, text in self._texts().items():
            write_atomically(folder / name, text)
        return folder / PAGE

    def _texts(self) -> dict[str, str]:
        markdown = "\n".join(table.to_markdown() for table in self.tables)
        made = {**self.pages, PAGE: self.html, "report.md": markdown}
        for table in self.tables:
            made[f"tables/{table.name}.md"] = table.to_markdown()
            made[f"tables/{table.name}.tex"] = table.to_latex()
        for name, frame in self.frames.items():
            made[f"tables/{name}.csv"] = frame.to_csv(index=False, lineterminator="\n")
        return made | {f"figures/{figure.name}.svg": figure.svg for figure in self.figures}


def make_report(runs: ComparedRuns) -> StaticReport:
    """Return the report of runs: the same records give the same bytes."""
    own, changes = frames(runs), row_changes(runs)
    made = tuple(tables(runs, own, changes))
    drawn = tuple(figures(runs, own))
    values = _values(runs, own, made, drawn)
    pages = {
        change.file: render("changes.html", {"title": values["title"], "change": change})
        for change in changes
        if any(change.programs)
    }
    values["changes"] = {
        change.file: f"{change.method} seed {change.seed}: {len(change.gained)} gained, "
        f"{len(change.lost)} lost"
        for change in changes
        if change.file in pages
    }
    summary = "\n\n".join([*values["headlines"], made[0].to_markdown()])
    return StaticReport(
        html=render("page.html", values), summary=summary, tables=made, figures=drawn, frames=own,
        pages=pages,
    )  # fmt: skip


def figures(runs: ComparedRuns, own: Frames) -> list[DrawnFigure]:
    """Return the figures for which these runs have data."""
    several = len(runs.runs) > 1
    rows = runs.method_rows()
    drawn = [pass_at_1(rows), forest(runs.pooled()), *cost_figures(rows, own.costs)]
    if several:
        drawn += [against_count(runs, name) for name in COUNTS]
        drawn += sweep_figures(runs)
    for number, run in enumerate(runs.runs, 1):
        suffix = f"_{number}" if several else ""
        drawn += [
            embedding_map(run, f"embedding_map{suffix}"), support_growth(run, f"growth{suffix}")
        ]  # fmt: skip
    return [figure for figure in drawn if figure is not None]


def render(template: str, values: Mapping[str, Any], *, folder: Path = _TEMPLATES) -> str:
    """Return the page of a template in the folder; all pages have the same style."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render({**values, "style": style})


def _values(
    runs: ComparedRuns, own: Frames, made: Sequence[DisplayTable], drawn: Sequence[DrawnFigure]
) -> dict[str, Any]:
    first, rows, found = runs.runs[0].invocation, runs.method_rows(), runs.comparisons()
    return {
        "title": suite_words(first.about),
        "about": first.about,
        "headlines": [headline(one, rows) for one in found],
        "pooled": pooled_lines(runs.pooled(), runs.config.margin),
        "differences": runs.differences,
        "primary": [line for one in found for line in primary_lines(one)],
        "exploratory": [line for one in found for line in exploratory_lines(one)],
        "notes": [
            *(line for one in found for line in [*missing_lines(one), *how(one)]),
            *dict.fromkeys(line for run in runs.runs for line in run.plan_notes()),
        ],
        "remarks": _remarks(runs),
        "tables": {table.name: table for table in made},
        "map_names": [f.name for f in drawn if f.name.startswith(("embedding_map", "growth"))],
        "sweeps": [f.name for f in drawn if f.name.startswith("sweep_")],
        "figures": {figure.name: {"shown": figure, "svg": inline(figure)} for figure in drawn},
        "samples": _samples(runs, own),
        "cells": any(run.cells for run in runs.runs),
        "runs": [_run(run) for run in runs.runs],
    }


def inline(figure: DrawnFigure) -> str:
    """Return a figure's SVG for a page: without the XML header, in the page's text colour."""
    body = figure.svg[figure.svg.index("<svg") :]
    return body.replace(INK, "currentColor")


def _remarks(runs: ComparedRuns) -> list[str]:
    return [line for run in runs.runs for line in remarks(run.method_rows(), run.invocation.about)]


def _samples(runs: ComparedRuns, own: Frames) -> list[dict[str, Any]]:
    shown = []
    for run in runs.runs:
        references = run.read_references()
        for method in run.invocation.config["methods"]:
            name = run.shown(method)
            samples = own.samples[own.samples["method"] == name]
            pairs = closest(references, samples)
            if pairs:
                shown.append({"method": name, "pairs": pairs, "drawn": len(samples)})
    return shown


def _run(run: StoredRun) -> dict[str, Any]:
    invocation = run.invocation
    return {
        "name": run.name,
        "cells": run.cells,
        "label": run.label,
        "finished": run.finished,
        "settings": flatten(invocation.config),
        "versions": dict(invocation.versions),
        "digests": {
            "suite": invocation.about["suite_digest"],
            "model": invocation.about["model_digest"],
            "references": invocation.about["references_digest"],
            **{stage.path.name: stage.address for stage in run.stages},
        },
    }
