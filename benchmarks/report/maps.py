"""The embedding map: positions of each method's instructions and of the references.

Shapes: n texts, D dimensions of an embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report.figures import COLOURS, INK, DrawnFigure, draw
from benchmarks.stages.embed import read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.report.stored import StoredRun

Floats = NDArray[np.float64]
_POINTS = 400  # per method; more would cover each other
_COLUMNS = 3
_MASSES = (0.9, 0.5)
"""Shares of a set inside its contours, from the outer to the inner one."""
_FEWEST = 10  # with fewer points, contours are circles around single points
_GRID = 80


def embedding_map(run: StoredRun, name: str) -> DrawnFigure | None:
    """Return one panel per method on the same two principal components; None without samples.

    Cells contain no embeddings, so they give no map. The components are those of references and
    problems, so that they do not depend on the methods. Contours enclose half and nine tenths of a
    set, by a Gaussian kernel density.
    """
    if run.cells:
        return None
    references_nD = read(run.references.embedded, "references")[1]
    problems_nD = read(run.references.embedded, "problems")[1]
    drawn = _drawn(run)
    if not drawn:
        return None
    components = _fitted(np.concatenate([references_nD, problems_nD]))
    references_n2 = components.transform(references_nD)
    methods = {method: components.transform(own) for method, own in drawn.items()}
    rows = math.ceil(len(methods) / _COLUMNS)
    columns = min(_COLUMNS, len(methods))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, axes in enumerate(panels.flat):
            axes.set_axis_off() if place >= len(methods) else axes.set(xticks=[], yticks=[])
        for place, (method, points_n2) in enumerate(methods.items()):
            axes = panels.flat[place]
            _panel(axes, references_n2, points_n2, COLOURS[place % len(COLOURS)])
            axes.set_title(f"{run.shown(method)} (n = {len(drawn[method])})", fontsize="medium")

    share = components.explained_variance_ratio_.sum()
    return draw(
        name, "Embedding map: references in the text colour, each method in its own colour",
        f"Embeddings of the instructions of {', '.join(methods)} over those of "
        f"{len(references_n2)} references, on two principal components of references and "
        f"problems that explain {100 * share:.0f} % of their variance; lines enclose half and nine "
        "tenths of a set.",
        paint, inches=(0.4 + 2.6 * columns, 0.3 + 2.5 * rows),
    )  # fmt: skip


def _drawn(run: StoredRun) -> Mapping[str, Floats]:
    """Return the embeddings of each method's samples, limited to the first of each seed."""
    found: dict[str, list[Floats]] = {}
    for (method, _), described in run.described.items():
        vectors_nD = read(described.embedded, "drawn")[1]
        if len(vectors_nD):
            found.setdefault(method, []).append(vectors_nD)
    return {
        method: np.concatenate([own[: max(1, _POINTS // len(sets))] for own in sets])
        for method, sets in found.items()
    }


def _fitted(points_nD: Floats) -> Any:
    from sklearn.decomposition import PCA

    return PCA(2, svd_solver="full").fit(points_nD)


def _panel(axes: Axes, references_n2: Floats, points_n2: Floats, colour: str) -> None:
    axes.scatter(points_n2[:, 0], points_n2[:, 1], s=7, color=colour, alpha=0.35, linewidths=0)
    axes.scatter(
        references_n2[:, 0], references_n2[:, 1], s=14, color=INK, marker="x", linewidths=0.9,
        alpha=0.8,
    )  # fmt: skip
    _contours(axes, points_n2, colour, "-")
    _contours(axes, references_n2, INK, "--")


def _contours(axes: Axes, points_n2: Floats, colour: str, line: str) -> None:
    """Draw the contours; none if there are too few points, or if they are on a line."""
    from scipy.stats import gaussian_kde

    if len(points_n2) < _FEWEST or np.linalg.matrix_rank(np.cov(points_n2.T)) < 2:
        return
    density = gaussian_kde(points_n2.T)
    low_2, high_2 = points_n2.min(0), points_n2.max(0)
    margin_2 = 0.4 * (high_2 - low_2)
    x, y = (
        np.linspace(a, b, _GRID) for a, b in zip(low_2 - margin_2, high_2 + margin_2, strict=True)
    )
    grid_XY = np.meshgrid(x, y)
    heights = density(np.stack([part.ravel() for part in grid_XY])).reshape(_GRID, _GRID)
    levels = np.quantile(density(points_n2.T), [1 - mass for mass in _MASSES])
    axes.contour(*grid_XY, heights, np.unique(levels), colors=colour, linestyles=line,
                 linewidths=1.1)  # fmt: skip
