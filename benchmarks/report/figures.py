"""Figures of a report: drawn from its records, the same bytes for the same records."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""The colour of text and axes: a page puts its own in place of it."""
COLOURS = ("#2a78d6", "#d9652b", "#1f9d6b", "#b0479e", "#b8860b", "#7b61c9", "#0d94a0", "#c2384f")
"""Colours that are told apart on white and on black, and by most who are colour-blind."""
_DPI = 150
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "domino",
    "svg.fonttype": "none",  # text stays text: readable aloud, in the page's own font
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
    """A figure in two forms.

    Attributes:
        name: of its files.
        title: what it shows.
        alternative: the same in words, for who does not see it.
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
    """Draw one figure; `paint` fills it while matplotlib has the style of reports."""
    with styled() as figure_class:
        figure = figure_class(figsize=inches, layout="constrained")
        paint(figure)
        return DrawnFigure(
            name=name, title=title, alternative=alternative, svg=_svg(figure), png=_png(figure)
        )


@contextlib.contextmanager
def styled() -> Iterator[type[Figure]]:
    """Hold matplotlib's settings to those of reports; yields the class of figures."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):  # whatever the user has set
        yield Figure


def _svg(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
