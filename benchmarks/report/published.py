"""The paper's published numbers (arXiv 2605.30039), in tables with the results of runs here.

Suites and backbones differ: directions can be compared, numbers cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.terminal import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from benchmarks.report.compared_runs import ComparedRuns
    from domino.records import Score

PAPER = "paper, published"
HERE = "here"
HEADLINE_POINTS = 4.63
"""Largest gain in Pass@1 of DOMINO over the instruction-tuned backbone, in points."""
FRACTION = (
    (20, 14.54, 20.17, 24.34),
    (40, 14.89, 21.35, 24.75),
    (60, 16.93, 25.16, 28.55),
    (80, 16.72, 25.73, 28.14),
    (100, 17.31, 26.81, 29.94),
)
"""The paper's figure: share of the references, Pass@1, Pass@5 and Pass@10, all in %."""
_METHOD, _BACKBONE = "domino", "no-data"
_NOTE = (
    "Published: arXiv 2605.30039, LiveCodeBench with Qwen2.5-Coder-7B and -14B and "
    "DeepSeek-Coder-V2-Lite. Suites and backbones differ: compare directions, not numbers."
)


def published_tables(runs: ComparedRuns, verdicts: pd.DataFrame) -> list[DisplayTable]:
    """Return tables of the published numbers and of the same quantities in these runs.

    Args:
        runs: the runs.
        verdicts: their frame `verdicts`.
    """
    return [_headline(runs, verdicts), _fractions(runs)]


def _headline(runs: ComparedRuns, verdicts: pd.DataFrame) -> DisplayTable:
    methods, backbones = _shown(runs, _METHOD), _shown(runs, _BACKBONE)
    own = [
        (HERE, f"{line.first} over {line.second}", f"{100 * line.difference:+.1f}",
         f"{100 * line.low:+.1f} to {100 * line.high:+.1f}", line.verdict)
        for line in verdicts.itertuples()
        if line.first in methods and line.second in backbones
    ]  # fmt: skip
    claimed = (
        PAPER,
        "DOMINO over the backbone, the best case",
        f"up to +{HEADLINE_POINTS}",
        NONE,
        NONE,
    )
    return DisplayTable(
        name="published_headline",
        title="Gain in Pass@1 over the backbone, in points",
        columns=("source", "what", "points", "95 % interval", "verdict"),
        rows=(claimed, *own),
        note=_NOTE,
    )


def _fractions(runs: ComparedRuns) -> DisplayTable:
    most = max(int(run.invocation.about["references"]) for run in runs.runs)
    published = [(PAPER, "DOMINO", f"{share} %", *map(str, scores)) for share, *scores in FRACTION]
    own = [
        (HERE, row.method, f"{run.invocation.about['references'] / most:.0%} of {most}".replace(
            "%", " %"), *(_score(row.scores, k) for k in (1, 5, 10)))
        for run in sorted(runs.runs, key=lambda run: int(run.invocation.about["references"]))
        for row in run.method_rows()
        if row.method == run.shown(_METHOD)
    ]  # fmt: skip
    return DisplayTable(
        name="published_references",
        title="DOMINO by the fraction of references",
        columns=("source", "method", "references", "Pass@1", "Pass@5", "Pass@10"),
        rows=(*published, *own),
        note=_NOTE,
    )


def _shown(runs: ComparedRuns, method: str) -> set[str]:
    return {run.shown(method) for run in runs.runs}


def _score(scores: Sequence[Score], k: int) -> str:
    found = [score for score in scores if score.metric == f"pass@{k}"]
    return percent(found[0].value) if found else NONE
