"""Tables of the properties of each method's data."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.crossed import MIN_SEEDS
from benchmarks.report.data_measures import COPIES, OWN, SUPPORT, Measure
from benchmarks.report.display_table import NONE, DisplayTable

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.report.frames import Frames

Column = tuple[str, str, Measure]
"""(heading, group that the measure compares with, measure)."""

_MEANS = (
    "n is instructions × seeds. Values are means over seeds, each over n sampled instructions "
    f"before any filter, with at least {MIN_SEEDS} seeds ± half the 95 % interval (Student's t). "
    "A dash: too few texts for the measure."
)
_SUPPORT_NOTE = (
    "Precision and density: how many instructions lie near the {group}; recall and coverage: how "
    "many of the {group} have instructions near them. Classifier: accuracy in separating the two "
    "sets, 0.5 for equal distributions; MMD²: about 0 for equal distributions."
)


def character_tables(frames: Frames) -> list[DisplayTable]:
    """Return the tables: support, copies, diversity, and correlations with the exact oracle."""
    shown = [measure for measure in SUPPORT if not measure.label.endswith(" p")]
    copied = [(f"{m.label} ({group})", group, m) for group in ("references", "problems")
              for m in COPIES[:3]]  # fmt: skip
    supports = [
        _table(
            frames, f"support_{group}", f"Compared with the {group}, by embeddings",
            [(m.label, group, m) for m in shown], _SUPPORT_NOTE.format(group=group),
        )
        for group in ("references", "problems")
    ]  # fmt: skip
    return [
        _table(
            frames, "copies", "Copies of references and problems", copied,
            f"{_MEANS} Near copies share 70 % of their word trigrams; the longest run is the "
            "longest sequence of words that also occurs in another text.",
        ),
        _table(
            frames, "diversity", "Diversity of the instructions",
            [(m.label, "", m) for m in OWN],
            "Higher is more diverse, except for self-BLEU and compression. All depend on n: "
            "compare sets of equal size. Distinct tasks are counted over all samples.",
        ),
        *supports,
        _correlations(frames),
    ]  # fmt: skip


def _table(
    frames: Frames, name: str, title: str, columns: Sequence[Column], note: str
) -> DisplayTable:
    character = frames.character
    grouped = character.groupby(["method", "against", "measure"])["value"]
    values = {key: list(own) for key, own in grouped}
    rows = []
    for method in dict.fromkeys(character["method"]):
        cells = [_cell(values, method, column) for column in columns]
        if any(cell != NONE for cell in cells):
            rows.append((method, _sizes(character[character["method"] == method]), *cells))
    headings = ("method", "n", *(heading for heading, _, _ in columns))
    return DisplayTable(name=name, title=title, columns=headings, rows=tuple(rows), note=note)


def _cell(
    values: Mapping[tuple[str, str, str], Sequence[float]], method: str, column: Column
) -> str:
    """Return the mean over seeds, with half its interval if there are enough seeds."""
    from scipy.special import stdtrit

    _, against, measure = column
    own = values.get((method, against, measure.label))
    if own is None:
        return NONE
    mean = measure.form.format(statistics.fmean(own))
    if len(own) < MIN_SEEDS:
        return mean
    half = float(stdtrit(len(own) - 1, 0.975)) * statistics.stdev(own) / math.sqrt(len(own))
    return f"{mean} ± {measure.form.format(half)}"


def _sizes(lines: pd.DataFrame) -> str:
    """Return the numbers of instructions and of seeds."""
    sizes = sorted(set(lines["n"]))
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return f"{n} × {max(1, lines['seed'].nunique())}"


def _correlations(frames: Frames) -> DisplayTable:
    return DisplayTable(
        name="correlations",
        title="Reliability of estimates: rank correlation with the exact oracle",
        columns=("estimate", "oracle", "rank correlation", "95 % interval", "methods"),
        rows=tuple(
            (
                line.estimate,
                line.oracle.replace("_", " "),
                f"{line.rho:+.2f}",
                f"{line.low:+.2f} to {line.high:+.2f}",
                str(line.methods),
            )
            for line in frames.correlations.itertuples()
        ),
        note=(
            "Spearman's rank correlation over methods, each the mean of its seeds. +1: the "
            "estimate ranks the methods as the oracle does (the sign of decreasing measures is "
            "reversed). Not given for fewer than ten methods, where large values occur by chance."
        ),
    )
