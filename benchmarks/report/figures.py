"""Figures of a report: the same bytes for the same records."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""The colour of text and axes; a page replaces it by its own."""
COLOURS = ("#2a78d6", "#d9652b", "#1f9d6b", "#b0479e", "#b8860b", "#7b61c9", "#0d94a0", "#c2384f")
"""Colours that are distinguishable on white and on black, also with most colour blindness."""
_DPI = 150
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "domino",
    "svg.fonttype": "none",  # text remains text, for screen readers and the page's font
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.2,
    "legend.frameon": False,
    **dict.fromkeys(
        (
            "text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color",
            "grid.color",
        ),
        INK,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnFigure:
    """A figure in two formats.

    Attributes:
        name: of its files.
        title: what it shows.
        alternative: text for readers who cannot see it.
        svg: for pages and papers.
        png: for slides and dashboards.
    """

    name: str
    title: str
    alternative: str
    svg: str
    png: bytes


def draw(
    name: str,
    title: str,
    alternative: str,
    paint: Callable[[Figure], None],
    *,
    inches: tuple[float, float],
) -> DrawnFigure:
    """Draw a figure; `paint` fills it in the style of reports."""
    with styled() as figure_class:
        figure = figure_class(figsize=inches, layout="constrained")
        paint(figure)
        return DrawnFigure(
            name=name, title=title, alternative=alternative, svg=_svg(figure), png=_png(figure)
        )


@contextlib.contextmanager
def styled() -> Iterator[type[Figure]]:
    """Set matplotlib to the style of reports; yields the class of figures."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):  # ignores the user's settings
        yield Figure


def _svg(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
