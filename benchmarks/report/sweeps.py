"""Sweeps: runs that differ in one or two options of a method, as one figure per method.

Values come from the run's config, else from the config that the method saved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures import COLOURS, DrawnFigure, draw
from benchmarks.stages.synthesize import METHOD

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.method_rows import MethodRow
    from benchmarks.report.stored import StoredRun

_MOST_OPTIONS = 2
_APART = 0.06  # horizontal offset between lines, as a share of the distance of two values
_RECORDS = ("domino.json", "method.json")
_NAMES = {
    "w_contrastive": "contrastive weight", "domain_tokens": "domain tokens P",
    "sample_tokens": "sample tokens Q",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One run of a sweep.

    Attributes:
        at: values of the differing options, ordered by name.
        row: the method's row.
        copies: share of samples that are near copies of a reference, mean over seeds; None if it
            was not measured.
        distinct: distinct tasks per sample, mean over seeds; None if not measured.
    """

    at: tuple[float, ...]
    row: MethodRow
    copies: float | None
    distinct: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """Runs of one method that differ in one or two numbers.

    Attributes:
        method: its name.
        options: names of the options that differ.
        points: ordered by their values.
    """

    method: str
    options: tuple[str, ...]
    points: tuple[Point, ...]


def sweeps(runs: ComparedRuns) -> list[Sweep]:
    """Return a sweep for each method whose options differ between the runs."""
    methods = dict.fromkeys(m for run in runs.runs for m in run.invocation.config["methods"])
    return [sweep for method in methods if (sweep := _sweep(runs.runs, method))]


def sweep_figures(runs: ComparedRuns) -> list[DrawnFigure]:
    """Return a figure for each sweep: Pass@1 with its interval, near copies, distinct tasks."""
    return [_drawn(sweep) for sweep in sweeps(runs)]


def _sweep(runs: Sequence[StoredRun], method: str) -> Sweep | None:
    having = [run for run in runs if method in run.invocation.config["methods"]]
    settings = [_options(run, method) for run in having]
    names = sorted({name for one in settings for name in one})
    differing = tuple(n for n in names if len({str(one.get(n)) for one in settings}) > 1)
    numeric = all(_is_number(one.get(name)) for name in differing for one in settings)
    if not 0 < len(differing) <= _MOST_OPTIONS or not numeric:
        return None
    points = [
        _point(run, method, tuple(float(one[name]) for name in differing))
        for run, one in zip(having, settings, strict=True)
    ]
    if len({point.at for point in points}) < len(points):
        return None
    return Sweep(
        method=method, options=differing, points=tuple(sorted(points, key=lambda point: point.at))
    )


def _options(run: StoredRun, method: str) -> Mapping[str, Any]:
    """Return all options of a method in a run, from its saved config and the run's config."""
    own = dict(run.settings.get(method, {}))
    for row in run.rows:
        if row.method == method and row.stages and not own:
            own = recorded_options(row.stages[0].path / METHOD)
            break
    return own | dict(run.invocation.config["method_options"].get(method, {}))


def recorded_options(folder: Path) -> dict[str, Any]:
    """Return the options in a method's saved config; none if it saved none."""
    for name in _RECORDS:
        file = folder / name
        if file.is_file():
            return dict(json.loads(file.read_text(encoding="utf-8")).get("config") or {})
    return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _point(run: StoredRun, method: str, at: tuple[float, ...]) -> Point:
    (row,) = [row for row in run.method_rows() if row.method == run.shown(method)]
    measured = [one.measures.summary for (name, _), one in run.described.items() if name == method]
    near = [found["near"] for one in measured if (found := one["references"].get("memorisation"))]
    distinct = [one["programs"] / one["drawn"] for one in measured if one["drawn"]]
    return Point(
        at=at, row=row, copies=fmean(near) if near else None,
        distinct=fmean(distinct) if distinct else None,
    )  # fmt: skip


def _drawn(sweep: Sweep) -> DrawnFigure:
    first, *others = sweep.options
    places = sorted({point.at[0] for point in sweep.points})
    lines: dict[tuple[float, ...], list[Point]] = {}
    for point in sweep.points:
        lines.setdefault(point.at[1:], []).append(point)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 3)
        for number, (rest, points) in enumerate(sorted(lines.items())):
            label = ", ".join(f"{_words(n)} {v:g}" for n, v in zip(others, rest, strict=True))
            shift = _APART * (number - (len(lines) - 1) / 2)  # keeps equal lines visible
            at = {value: place + shift for place, value in enumerate(places)}
            _line(panels, points, at, COLOURS[number % len(COLOURS)], label)
        for axes, what in zip(
            panels, ("Pass@1, %, 95 % interval", "near copies, %", "distinct tasks, %"), strict=True
        ):
            axes.set_xticks(range(len(places)), [f"{value:g}" for value in places])
            axes.set(xlabel=_words(first), ylabel=what)
            if axes is not panels[0]:
                axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
        if others:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")

    return draw(
        f"sweep_{_file(sweep.method)}",
        f"{sweep.method} by {' and '.join(map(_words, sweep.options))}",
        f"{sweep.method}, Pass@1 and near copies of references: {_said(sweep)}.",
        paint, inches=(10.5 if others else 9.0, 3.2),
    )  # fmt: skip


def _line(
    panels: Sequence[Axes],
    points: Sequence[Point],
    at: Mapping[float, float],
    colour: str,
    label: str,
) -> None:
    scored = [point for point in points if point.row.scores]
    scores = [point.row.scores[0] for point in scored]
    values = [100 * score.value for score in scores]
    below = [100 * (score.value - score.low) for score in scores]
    above = [100 * (score.high - score.value) for score in scores]
    panels[0].errorbar(
        [at[point.at[0]] for point in scored], values, [below, above], fmt="o-", color=colour,
        ecolor=colour, elinewidth=1.2, capsize=2.5, label=label,
    )  # fmt: skip
    for axes, name in ((panels[1], "copies"), (panels[2], "distinct")):
        known = [point for point in points if getattr(point, name) is not None]
        axes.plot(
            [at[point.at[0]] for point in known],
            [100 * getattr(point, name) for point in known],
            "o-", color=colour,
        )  # fmt: skip


def _said(sweep: Sweep) -> str:
    said = []
    for point in sweep.points:
        at = ", ".join(f"{_words(n)} {v:g}" for n, v in zip(sweep.options, point.at, strict=True))
        score = f"{100 * point.row.scores[0].value:.1f} %" if point.row.scores else "failed"
        copies = "" if point.copies is None else f", copies {100 * point.copies:.1f} %"
        said.append(f"{at}: {score}{copies}")
    return "; ".join(said)


def _words(option: str) -> str:
    return _NAMES.get(option, option.replace("_", " "))


def _file(method: str) -> str:
    return "".join(c if c.isalnum() or c == "-" else "-" for c in method)
