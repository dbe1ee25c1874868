"""Properties of each method's data, exact counts by a suite's oracles, and how well both agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from benchmarks.stages.describe import GROUPS

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.report.stored import StoredRun
    from benchmarks.store.store import Stage

FEWEST_METHODS = 10
"""Minimum number of methods for a rank correlation."""
REFERENCES = "the references"
"""The name of the references in tables of methods."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A measure of a set of texts.

    Attributes:
        label: its name in tables.
        path: its place in the summary of a stage `describe`, below the group it compares with.
        form: format of its values.
        sign: 1 if it increases with the oracle's count, -1 if it decreases.
    """

    label: str
    path: tuple[str, ...]
    form: str = "{:.2f}"
    sign: int = 1


_PERCENT = "{:.1%}"
OWN: tuple[Measure, ...] = (
    Measure(label="distinct-1", path=("diversity", "distinct_1")),
    Measure(label="distinct-2", path=("diversity", "distinct_2")),
    Measure(label="self-BLEU", path=("diversity", "self_bleu"), sign=-1),
    Measure(label="compression", path=("diversity", "compression"), sign=-1),
    Measure(label="Vendi score", path=("diversity", "vendi"), form="{:.1f}"),
    Measure(label="distinct tasks", path=("programs",), form="{:,.0f}"),
)
"""Measures of one set of texts."""
COPIES: tuple[Measure, ...] = (
    Measure(label="exact copies", path=("memorisation", "exact"), form=_PERCENT),
    Measure(label="near copies", path=("memorisation", "near"), form=_PERCENT),
    Measure(label="longest run, words", path=("memorisation", "longest_run"), form="{:.1f}"),
    Measure(label="longest run, share", path=("memorisation", "longest_share"), form=_PERCENT),
)
"""Measures of what a set copies from another."""
SUPPORT: tuple[Measure, ...] = (
    Measure(label="precision", path=("coverage", "precision")),
    Measure(label="recall", path=("coverage", "recall")),
    Measure(label="density", path=("coverage", "density")),
    Measure(label="coverage", path=("coverage", "coverage")),
    Measure(label="classifier", path=("classifier", "value"), sign=-1),
    Measure(label="classifier p", path=("classifier", "p"), form="{:.3f}"),
    Measure(label="MMD²", path=("mmd", "value"), form="{:.3f}", sign=-1),
    Measure(label="MMD² p", path=("mmd", "p"), form="{:.3f}"),
)
"""Measures that compare the embeddings of two sets."""
ORACLES: Mapping[str, tuple[Measure, ...]] = {
    "copy": COPIES,
    "in_domain": tuple(m for m in SUPPORT if not m.label.endswith(" p") and m.label != "recall"),
    "coverage": (*OWN, SUPPORT[1], SUPPORT[3]),
}
"""Exact counts, and the measures that estimate them where there is no oracle."""


def character_lines(run: StoredRun) -> Iterable[Mapping[str, Any]]:
    """Yield a line for each method, seed, group and measure."""
    yield from _lines(run.shown(REFERENCES), None, run.references.measures)
    for (method, seed), described in run.described.items():
        yield from _lines(run.shown(method), seed, described.measures)


def correlation_lines(character: pd.DataFrame) -> Iterable[Mapping[str, Any]]:
    """Yield Spearman's rank correlation over methods of each oracle with each of its estimates.

    Requires at least ten methods: with five, large values occur by chance.
    """
    own = character[~character["method"].str.startswith(REFERENCES)]
    wide = own.groupby(["method", "against", "measure"])["value"].mean().unstack([1, 2])
    for oracle, measures in ORACLES.items():
        exact = ("", f"oracle: {oracle}")
        for measure in measures:
            estimate = ("" if measure in OWN else "references", measure.label)
            if exact in wide and estimate in wide:
                pairs = wide[[exact, estimate]].dropna()
                rho = _spearman(pairs[exact], measure.sign * pairs[estimate])
                if rho is not None:
                    yield {
                        "oracle": oracle, "estimate": measure.label, "rho": rho,
                        **_fisher_interval(rho, len(pairs)), "methods": len(pairs),
                    }  # fmt: skip


def _lines(method: str, seed: int | None, stage: Stage) -> Iterable[Mapping[str, Any]]:
    summary = stage.summary
    shared = {"method": method, "seed": seed, "n": summary["n"]}
    groups = [("", OWN, summary)] + [
        (group, (*COPIES, *SUPPORT), summary[group]) for group in GROUPS if group in summary
    ]
    for against, measures, values in groups:
        for measure in measures:
            value = _find(values, measure.path)
            if value is not None:
                yield {**shared, "against": against, "measure": measure.label, "value": value}
    for name, share in summary["oracle"].items():
        yield {**shared, "against": "", "measure": f"oracle: {name}", "value": share}


def _find(values: Any, path: tuple[str, ...]) -> float | None:
    for name in path:
        values = None if values is None else values[name]
    return None if values is None else float(values)


def _spearman(left: pd.Series, right: pd.Series) -> float | None:
    """Return the rank correlation; None if it is undefined, or there are too few methods."""
    from scipy.stats import spearmanr

    if len(left) < FEWEST_METHODS or left.nunique() < 2 or right.nunique() < 2:
        return None
    return float(spearmanr(left, right).statistic)


def _fisher_interval(rho: float, methods: int) -> dict[str, float]:
    """Return the ends of the 95 % interval, with Bonett and Wright's standard error (2000)."""
    error = math.sqrt((1 + rho**2 / 2) / (methods - 3))
    z, half = math.atanh(max(-1 + 1e-9, min(1 - 1e-9, rho))), NormalDist().inv_cdf(0.975) * error
    return {"low": math.tanh(z - half), "high": math.tanh(z + half)}
