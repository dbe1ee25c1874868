"""How objective and measures answer to one parameter: the contrastive weight, or a grid's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from benchmarks.report.figures import COLOURS, DrawnFigure, draw
from studies.summary import Summary, by_seed, summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from studies.config import StudyConfig

_WEIGHT = "w_contrastive"
_COLUMNS = 3


def response(config: StudyConfig, complete: Sequence[FrozenTrial]) -> DrawnFigure | None:
    """Return a panel for each objective and measure, with intervals over seeds.

    Values of a grid stand in its order, others as far apart as their logarithms. None where the
    study varies neither the weight nor one parameter alone.
    """
    parameter = next(iter(config.grid)) if len(config.grid) == 1 else _WEIGHT
    ordered = _values(config, parameter, complete)
    if len(ordered) < 2:
        return None
    names = list(config.measured)
    rows = -(-len(names) // _COLUMNS)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, min(_COLUMNS, len(names)), squeeze=False).ravel()
        for axes, name in zip(panels, names, strict=False):
            _panel(axes, name, ordered, parameter)
        for axes in panels[len(names) :]:
            axes.set_axis_off()

    return draw(
        f"{parameter}_response", f"Response to {parameter}",
        f"{config.objective} by {parameter}: " + "; ".join(_words(config, own) for own in ordered)
        + ".", paint, inches=(3.2 * min(_COLUMNS, len(names)), 2.9 * rows),
    )  # fmt: skip


class _Own:
    """The trials of one value of the parameter."""

    def __init__(self, value: Any, trials: Sequence[FrozenTrial]) -> None:
        self.value, self.trials = value, trials

    def points(self, name: str) -> list[float]:
        """One value a seed of each trial."""
        return [value for trial in self.trials for value in by_seed(trial, name)]

    def summary(self, name: str) -> Summary:
        return summarize(self.points(name))


def _values(config: StudyConfig, parameter: str, complete: Sequence[FrozenTrial]) -> list[_Own]:
    """Return the trials by value; a trial without contrastive term has weight 0."""
    if parameter in config.grid:
        known = list(config.grid[parameter])
        groups = [(value, [t for t in complete if t.params.get(parameter) == value])
                  for value in known]  # fmt: skip
        return [_Own(value, own) for value, own in groups if own]
    having = [t for t in complete if parameter in t.params or t.params.get("contrastive") == "none"]
    having.sort(key=lambda trial: _weight(trial, parameter))
    return [_Own(value, list(own)) for value, own in
            groupby(having, key=lambda trial: _weight(trial, parameter))]  # fmt: skip


def _weight(trial: FrozenTrial, parameter: str) -> float:
    return float(trial.params.get(parameter, 0.0))


def _panel(axes: Axes, name: str, ordered: Sequence[_Own], parameter: str) -> None:
    numeric = [own.value for own in ordered if not isinstance(own.value, str)]
    free = len(numeric) == len(ordered) and len(ordered) > 12  # a sampler's values, not a grid's
    places = numeric if free else list(range(len(ordered)))
    for place, own in zip(places, ordered, strict=True):
        axes.plot([place] * len(own.points(name)), own.points(name), ".", color=COLOURS[0],
                  alpha=0.35)  # fmt: skip
        found = own.summary(name)
        if found.low is not None and found.high is not None:
            axes.plot([place, place], [found.low, found.high], color=COLOURS[0], linewidth=2)
        axes.plot([place], [found.value], "o", color=COLOURS[0])
    if free:
        axes.set_xscale("symlog", linthresh=0.01)
    else:
        axes.set_xticks(places, [_label(own.value) for own in ordered], fontsize=8, rotation=30)
    axes.set(xlabel=parameter, title=name)


def _label(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _words(config: StudyConfig, own: _Own) -> str:
    return f"{_label(own.value)}: {own.summary(config.objective)}"
