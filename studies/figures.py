"""The figures of a study: the same bytes for the same trials."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from benchmarks.report.figures import COLOURS, INK, DrawnFigure, draw
from studies.front import complete_trials, front
from studies.response import response
from studies.slots import trials_by_slot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from studies.config import StudyConfig

_LENGTHS = ("domain_tokens", "sample_tokens")
_ENOUGH = 4
"""Minimum number of complete trials for an importance or a contour."""


def figures(config: StudyConfig, study: optuna.Study) -> list[DrawnFigure]:
    """Return the figures for which the study has data."""
    complete = complete_trials(study)
    drawn = [
        history(config, study),
        importances(config, study),
        contour(config, complete),
        response(config, complete),
        pareto(config, study),
    ]
    return [figure for figure in drawn if figure is not None]


def history(config: StudyConfig, study: optuna.Study) -> DrawnFigure:
    """Return each trial's first objective, the best so far, and the pruned trials."""
    slots = sorted(trials_by_slot(study.get_trials(deepcopy=False)).items())
    finished = [(slot, t) for slot, own in slots for t in own if t.state == TrialState.COMPLETE]
    pruned = [slot for slot, own in slots for t in own if t.state == TrialState.PRUNED]
    places, values = [slot for slot, _ in finished], [t.values[0] for _, t in finished]
    best = list(accumulate(values, max if config.aim.direction == "maximize" else min))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot(places, values, "o", color=COLOURS[0], alpha=0.7, label="trials")
        axes.step(places, best, where="post", color=COLOURS[1], label="best so far")
        if pruned:
            axes.plot(
                pruned, [0.02] * len(pruned), "x", color=INK, label="pruned",
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        axes.locator_params(axis="x", integer=True)
        axes.set(xlabel="trial", ylabel=config.objective)
        figure.legend(loc="outside right upper")

    words = f"{len(values)} trials complete, {len(pruned)} pruned; the best reaches {best[-1]:.4g}"
    return draw("history", "History", f"{config.objective} by trial: {words}.", paint,
                inches=(7.5, 3.2))  # fmt: skip


def importances(config: StudyConfig, study: optuna.Study) -> DrawnFigure | None:
    """Return how much of the objective's variance each parameter explains (fANOVA).

    Parameters that some trials lack are left out. None if there are too few trials, only one
    parameter, or no differences.
    """
    shares = importance_shares(config, study)
    if len(shares) < 2:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.barh(range(len(shares)), list(shares.values()), color=COLOURS[0], height=0.6)
        axes.set_yticks(range(len(shares)), list(shares))
        axes.set_ylim(len(shares) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"share of the variance of {config.objective}")

    words = "; ".join(f"{name} {share:.2f}" for name, share in shares.items())
    return draw(
        "importances", "Importance of parameters", f"Importances by fANOVA: {words}.", paint,
        inches=(7.0, 0.9 + 0.36 * len(shares)),
    )  # fmt: skip


def importance_shares(config: StudyConfig, study: optuna.Study) -> dict[str, float]:
    """Return Optuna's importances for the first objective, the largest first; empty if too few."""
    complete = complete_trials(study)
    if len(complete) < _ENOUGH or len({trial.values[0] for trial in complete}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=config.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        shares = optuna.importance.get_param_importances(
            study, evaluator=evaluator, target=_first_value
        )
    return {name: float(share) for name, share in shares.items()}


def contour(config: StudyConfig, complete: Sequence[FrozenTrial]) -> DrawnFigure | None:
    """Return the objective over P and Q; None unless both are searched."""
    cells = _by_lengths(complete)
    if len(cells) < _ENOUGH:
        return None
    places = [(math.log2(p), math.log2(q)) for p, q in cells]
    x, y = [place[0] for place in places], [place[1] for place in places]
    values = list(cells.values())

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        if _spans_a_plane(places):
            axes.tricontourf(x, y, values, levels=12, cmap="viridis")
        shown = axes.scatter(x, y, c=values, cmap="viridis",
                             edgecolors="white", linewidths=0.8, zorder=3)  # fmt: skip
        _length_ticks(axes, list(cells))
        figure.colorbar(shown, label=config.objective)

    (p, q), value = _best(config, cells)
    return draw(
        "contour", "P × Q", f"{config.objective} over P and Q: the best, {value:.4g}, at P {p}, "
        f"Q {q}, of {len(cells)} pairs; means where a pair was tried more than once.", paint,
        inches=(6.0, 4.2),
    )  # fmt: skip


def pareto(config: StudyConfig, study: optuna.Study) -> DrawnFigure | None:
    """Return the first two objectives and their Pareto front; None for a single objective."""
    if not config.also:
        return None
    first, second = list(config.aims)[:2]
    complete, own = complete_trials(study), front(study)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([t.values[1] for t in complete], [t.values[0] for t in complete], "o",
                  color=COLOURS[0], alpha=0.45, label="trials")  # fmt: skip
        axes.plot([t.values[1] for t in own], [t.values[0] for t in own], "o-",
                  color=COLOURS[1], label="front")  # fmt: skip
        for trial in own:
            axes.annotate(str(trial.number), (trial.values[1], trial.values[0]),
                          xytext=(5, 5), textcoords="offset points")  # fmt: skip
        axes.set(xlabel=f"{second} ({config.aims[second].direction})",
                 ylabel=f"{first} ({config.aims[first].direction})")  # fmt: skip
        figure.legend(loc="outside right upper")

    words = "; ".join(f"trial {t.number}: {t.values[0]:.4g}, {t.values[1]:.4g}" for t in own)
    return draw("pareto", f"{first} against {second}", f"The front of {first} and {second}: "
                f"{words}.", paint, inches=(7.5, 4.0))  # fmt: skip


def _first_value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _by_lengths(complete: Sequence[FrozenTrial]) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], list[float]] = {}
    for trial in complete:
        if all(name in trial.params for name in _LENGTHS):
            lengths = (trial.params["domain_tokens"], trial.params["sample_tokens"])
            found.setdefault(lengths, []).append(trial.values[0])
    return {lengths: sum(own) / len(own) for lengths, own in sorted(found.items())}


def _spans_a_plane(places: Sequence[tuple[float, float]]) -> bool:
    """Whether points are not all on one line: only then have they triangles."""
    import numpy as np

    points_N2 = np.array(places)
    return bool(np.linalg.matrix_rank(points_N2 - points_N2[0]) == 2)


def _length_ticks(axes: Axes, lengths: Sequence[tuple[int, int]]) -> None:
    """Label both logarithmic axes with the lengths that they are the logarithms of."""
    for place, (axis, name) in enumerate(((axes.xaxis, "P"), (axes.yaxis, "Q"))):
        own = [pair[place] for pair in lengths]
        powers = range(math.floor(math.log2(min(own))), math.ceil(math.log2(max(own))) + 1)
        axis.set_ticks(list(powers), [str(2**power) for power in powers])
        axis.set_label_text(name)


def _best(
    config: StudyConfig, cells: Mapping[tuple[int, int], float]
) -> tuple[tuple[int, int], float]:
    best: Any = max if config.aim.direction == "maximize" else min
    lengths = best(cells, key=lambda pair: cells[pair])
    return lengths, cells[lengths]
