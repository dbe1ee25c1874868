"""The figures of scores: Pass@1 by method, growth of support, Pass@k by counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures import COLOURS, INK, DrawnFigure, draw
from benchmarks.report.terminal import unscored
from benchmarks.stages.describe import PROGRAMS_OF, ProgramKey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.method_rows import MethodRow
    from benchmarks.report.pooled import PooledComparison
    from benchmarks.report.stored import StoredRun
    from benchmarks.store.store import Stage
    from domino.records import Score

Points = Mapping[str, Mapping[str, Sequence[tuple[int, "Score"]]]]
"""By metric and line: (count, score)."""
COUNTS: Mapping[str, str] = {"references": "reference_fraction", "pairs": "pairs"}
"""The counts of a run by which Pass@k is plotted, and the names of the figures."""


def pass_at_1(rows: Sequence[MethodRow]) -> DrawnFigure | None:
    """Return Pass@1 with its interval by method, in the order of the run; None without scores."""
    scored = [row for row in rows if row.scores]
    if not scored:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            _interval(axes, place, row)
        axes.set_yticks(range(len(rows)), [row.method for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("Pass@1, %, with 95 % interval")

    words = "; ".join(f"{row.method} {100 * row.scores[0].value:.1f} %" for row in scored)
    return draw(
        "pass_at_1", "Pass@1 by method", f"Pass@1 by method: {words}.", paint,
        inches=(7.0, 0.9 + 0.36 * len(rows)),
    )  # fmt: skip


def _interval(axes: Axes, place: int, row: MethodRow) -> None:
    if not row.scores:
        axes.text(0.01, place, unscored(row), va="center", transform=axes.get_yaxis_transform())
        return
    score = row.scores[0]
    axes.plot(
        [100 * score.low, 100 * score.high], [place, place], color=COLOURS[0], linewidth=2.5,
        alpha=0.45, solid_capstyle="round",
    )  # fmt: skip
    axes.plot([100 * score.value], [place], "o", color=COLOURS[0], markersize=7)


def forest(found: Sequence[PooledComparison]) -> DrawnFigure | None:
    """Return each primary comparison in each domain and pooled; None for a single domain."""
    primary = [one for one in found if one.primary] or list(found)
    lines: list[tuple[str, float, Sequence[Any], bool]] = []
    for one in primary:
        pair = f"{one.first} vs {one.second}"
        for name, own in one.by_domain.items():
            lines.append((f"{pair}: {name}", float(own.value), own.interval(), False))
        lines.append((f"{pair}: pooled", float(one.pooled.value), one.interval, True))
    if not lines:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (_, value, ends, pooled) in enumerate(lines):
            colour = COLOURS[1 if pooled else 0]
            axes.plot(
                [100 * float(end) for end in ends], [place, place], color=colour, linewidth=2.5,
                alpha=0.45,
            )  # fmt: skip
            axes.plot([100 * value], [place], "D" if pooled else "o", color=colour)
        axes.axvline(0, color=INK, linestyle=":", linewidth=1.2)
        axes.set_yticks(range(len(lines)), [name for name, *_ in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("difference of Pass@1, points, with 95 % interval")

    words = "; ".join(f"{name} {100 * value:+.1f}" for name, value, _, pooled in lines if pooled)
    return draw(
        "forest", "Comparisons by domain and pooled", f"Differences over domains: {words}.", paint,
        inches=(8.0, 0.9 + 0.26 * len(lines)),
    )  # fmt: skip


def support_growth(run: StoredRun, name: str) -> DrawnFigure | None:
    """Return distinct tasks by number of samples, for each method and for the references.

    The curve of a method is the mean over its seeds. None without samples.
    """
    curves: dict[str, list[list[int]]] = {}
    for (method, _), described in run.described.items():
        curves.setdefault(method, []).append(_growth(described.measures))
    means = {method: _mean(own) for method, own in curves.items() if any(own)}
    references = run.references.measures.summary["programs"]
    if not means:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (method, curve) in enumerate(means.items()):
            axes.plot(
                range(1, len(curve) + 1), curve, label=run.shown(method),
                color=COLOURS[place % len(COLOURS)],
                linestyle=("-", "--")[place // len(COLOURS) % 2],
            )  # fmt: skip
        axes.axhline(references, color=INK, linestyle=":", linewidth=1.2, label="references")
        axes.set(xlabel="sampled instructions", ylabel="distinct tasks", ylim=(0, None))
        figure.legend(loc="outside right upper")

    words = "; ".join(f"{m} {curve[-1]:.0f} of {len(curve)}" for m, curve in means.items())
    return draw(
        name, "Growth of support",
        f"Distinct tasks among the samples: {words}; the references have {references}.",
        paint, inches=(7.5, 3.8),
    )  # fmt: skip


def _growth(measures: Stage) -> list[int]:
    """Return the number of distinct tasks among the first 1, 2, ... samples."""
    seen: set[str] = set()
    counts = []
    for key in measures.read(PROGRAMS_OF, ProgramKey):
        if key.key:
            seen.add(key.key)
        counts.append(len(seen))
    return counts


def _mean(curves: Sequence[Sequence[int]]) -> list[float]:
    return [fmean(count for count in at if count is not None) for at in zip_longest(*curves)]


def against_count(runs: ComparedRuns, name: str) -> DrawnFigure | None:
    """Return every Pass@k by one of COUNTS; None if the runs do not differ in it."""
    points = _by_count(runs, name)
    counts = sorted({int(run.invocation.about[name]) for run in runs.runs})
    if len(counts) < 2 or not points:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(points), squeeze=False)[0]
        for axes, (metric, methods) in zip(panels, points.items(), strict=True):
            for place, (method, own) in enumerate(methods.items()):
                _fraction_line(axes, own, method, COLOURS[place % len(COLOURS)])
            axes.set_xticks(counts, [f"{n}\n{n / counts[-1]:.0%}" for n in counts])
            axes.set(xlabel=name, ylabel=f"{metric.replace('pass', 'Pass')}, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")

    words = "; ".join(
        f"{method}: " + ", ".join(f"{100 * s.value:.1f} % with {n}" for n, s in own)
        for method, own in points["pass@1"].items()
    )
    return draw(
        COUNTS[name], f"Pass@k by the number of {name}", f"Pass@1 by {name}: {words}.", paint,
        inches=(2.2 + 3.4 * len(points), 3.4),
    )  # fmt: skip


def _fraction_line(
    axes: Axes, points: Sequence[tuple[int, Score]], method: str, colour: str
) -> None:
    places = [count for count, _ in points]
    axes.plot(places, [100 * s.value for _, s in points], "o-", color=colour, label=method)
    axes.fill_between(
        places, [100 * s.low for _, s in points], [100 * s.high for _, s in points],
        color=colour, alpha=0.12, linewidth=0,
    )  # fmt: skip


def _by_count(runs: ComparedRuns, name: str) -> Points:
    """Return scores by metric and line: a method, with the other count if that differs too."""
    (other,) = set(COUNTS) - {name}
    several = len({run.invocation.about[other] for run in runs.runs}) > 1
    found: dict[str, dict[str, list[tuple[int, Score]]]] = {}
    for run in sorted(runs.runs, key=lambda run: int(run.invocation.about[name])):
        about, names = run.invocation.about, {shown: m for m, shown in run.names.items()}
        for row in run.method_rows():
            line = names[row.method] + (f", {about[other]} {other}" if several else "")
            for score in row.scores:
                found.setdefault(score.metric, {}).setdefault(line, []).append((about[name], score))
    return found
