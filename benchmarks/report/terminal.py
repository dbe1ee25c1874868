"""The Pass@1 table at the end of a run, on the terminal and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.common.files import write_atomically
from benchmarks.common.words import say
from benchmarks.report.comparisons import Comparisons
from benchmarks.report.facts import FactRow
from benchmarks.report.funnel import COUNTED
from benchmarks.report.method_rows import MethodRow
from benchmarks.report.sentences import (
    exploratory_lines,
    headline,
    how,
    missing_lines,
    primary_lines,
)

JSON_VERSION = 3


_REASONS_SHOWN = 4


FACTS_SAID = (
    "Drawn: all sampled instructions of a method; kept: the pairs used for fine-tuning.",
    "Valid: a task of the suite's universe. In domain: uses the domain's operations and terms.",
    "Copy: a reference's task. Recombined: only terms of the references; new terms: others too.",
    "Aligned: the response is correct in the domain.",
    "Coverage: the share of the domain's support that is reached.",
)


_COVERS = {
    True: "The interval covers problems; one seed does not show the variation between seeds.",
    False: "The interval covers seeds and problems.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The report at the end of a run.

    Attributes:
        about: shared by all rows: suite, model, responder, references, seeds, pairs, digests.
        rows: one for each method.
        facts: exact counts over synthetic pairs, if the suite has oracles.
        comparisons: all pairs of methods, the planned ones first; None if nothing was compared.
        name: of the run, for `benchmarks.report`; "" for a run from cells.
        stored: directory of the stages.
        seconds: wall time of this command.
        reused: number of stages that were complete already.
        stages: number of stages of the run.
    """

    about: Mapping[str, Any]
    rows: Sequence[MethodRow]
    facts: Sequence[FactRow]
    stored: Path
    seconds: float
    reused: int
    stages: int
    comparisons: Comparisons | None = None
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data; this is what `--json` writes.

        `version` (of this format), `about`, `methods` (fields of MethodRow; every score has metric,
        value, low, high, problems, samples, seeds; `funnel` has the fields of Funnel), `facts`
        (fields of FactRow), `comparisons` (first minus second, with interval, p and verdict),
        `name` (of the run), `stored`, `seconds`, `stages`, `reused`.
        """
        return {
            "version": JSON_VERSION,
            "about": dict(self.about),
            "methods": [row.to_dict() for row in self.rows],
            "facts": [dataclasses.asdict(row) for row in self.facts],
            "comparisons": self.comparisons.to_dicts() if self.comparisons else [],
            "name": self.name,
            "stored": str(self.stored),
            "seconds": round(self.seconds, 1),
            "stages": self.stages,
            "reused": self.reused,
        }

    @property
    def failed(self) -> bool:
        """Whether a method could not be scored with every seed."""
        return any(row.failures for row in self.rows)

    def columns(self) -> dict[str, list[Any]]:
        """Return the Pass@1 table by columns; None for a method without a score."""
        rows = self.rows
        first = [row.scores[0] if row.scores else None for row in rows]
        return {
            "method": [row.method for row in rows],
            "pass@1": [score and score.value for score in first],
            "low": [score and score.low for score in first],
            "high": [score and score.high for score in first],
            "problems": [score and score.problems for score in first],
            "seeds": [score and len(score.seeds) for score in first],
            "kept": [row.kept for row in rows],
            "dropped": [sum(row.dropped.values()) for row in rows],
            "dropped by reason": [json.dumps(dict(row.dropped)) for row in rows],
            "seconds": [row.seconds for row in rows],
            "tokens": [row.tokens for row in rows],
            "failed": ["; ".join(failure_words(row)) for row in rows],
        }

    def funnel_columns(self) -> dict[str, list[Any]]:
        """Return the record counts by columns: a line for each method and step, with reasons."""
        lines = [(row.method, step) for row in self.rows for step in row.funnel.steps]
        return {
            "method": [method for method, _ in lines],
            "step": [step.name for _, step in lines],
            "in": [step.incoming for _, step in lines],
            "kept": [step.kept for _, step in lines],
            "dropped": [sum(step.dropped.values()) for _, step in lines],
            "dropped by reason": [json.dumps(dict(step.dropped)) for _, step in lines],
        }


def write_json(report: Report, path: Path) -> None:
    """Write the report as JSON; an existing file is replaced atomically.

    Raises:
        StoreError: it cannot be written.
    """
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    write_atomically(path, text + "\n")


def show(report: Report, console: Console) -> None:
    """Print the tables and notes."""
    _print(console, f"{suite_words(report.about)}: Pass@1", score_table(report))
    for line in [*comparison_lines(report), ""]:
        say(console, line)
    _print(console, "Records kept after each step", funnel_table(report))
    for line in [*_left_out(report), *dropped_lines(report.rows)]:
        say(console, line)
    if report.facts:
        console.print()
        _print(console, "Synthetic pairs by exact oracle, in %", fact_table(report.facts))
        for line in FACTS_SAID:
            say(console, line)
        console.print()
    else:
        console.print()
    for line in footnotes(report):
        say(console, line)


def comparison_lines(report: Report) -> list[str]:
    """Return lines for the outcome, the planned and the exploratory comparisons, and the test."""
    found = report.comparisons
    if found is None or not found.pairs:
        return [headline(found, report.rows)]
    lines = [headline(found, report.rows), *primary_lines(found), *exploratory_lines(found)]
    return [*lines, *missing_lines(found), *how(found)]


def _print(console: Console, title: str, table: Table) -> None:
    say(console, title, style="bold")
    console.print(table)
    console.print()


def score_table(report: Report) -> Table:
    """Return every pass@k of the run, with counts and costs, one line per method."""
    table = _table()
    table.add_column("pass@1", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    others = max((row.scores for row in report.rows), key=len)[1:]
    for score in others:
        table.add_column(score.metric, justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("kept", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("tokens", justify="right", no_wrap=True)
    for row in report.rows:
        costs = [f"{row.kept:,}", f"{row.seconds:,.0f}", f"{row.tokens:,}"]
        table.add_row(row.method, *_score_cells(row, len(others)), *costs)
    return table


def slim_table() -> Table:
    """Return an empty table that is not wider than its cells, for terminals of 80 columns."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def _table() -> Table:
    table = slim_table()
    table.add_column("method", no_wrap=True)
    return table


def _score_cells(row: MethodRow, others: int) -> list[str]:
    """Return Pass@1, its interval, `others` further scores, and n."""
    if not row.scores:
        return [unscored(row), *["-"] * (others + 2)]
    first, *more = row.scores
    return [
        percent(first.value),
        f"{percent(first.low)} to {percent(first.high)}",
        *(percent(score.value) for score in more),
        f"{first.problems} × {len(first.seeds)}",
    ]


def funnel_table(report: Report) -> Table:
    """Return the number of records after each step, without steps that dropped none."""
    rows = [(row.method, dict(zip(COUNTED, row.funnel.counts, strict=True))) for row in report.rows]
    table = _table()
    lossless = lossless_steps(report)
    names = [name for name in COUNTED if name not in lossless]
    for name in names:
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for method, counts in rows:
        table.add_row(method, *(f"{counts[name]:,}" for name in names))
    return table


def _left_out(report: Report) -> list[str]:
    lossless = ", ".join(lossless_steps(report))
    return [f"Steps that dropped no records: {lossless}."] if lossless else []


def lossless_steps(report: Report) -> list[str]:
    """Return the steps, except the last, that kept all records of every method."""
    steps = list(zip(*(row.funnel.steps for row in report.rows), strict=True))[:-1]
    return [same[0].name for same in steps if all(one.kept == one.incoming for one in same)]


def fact_table(facts: Sequence[FactRow]) -> Table:
    """Return the exact counts over synthetic pairs; "-" if there are none."""
    names = list(dict.fromkeys(name for row in facts for name in row.shares))
    table = _table()
    for name in names:
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in facts:
        cells = [percent(row.shares[name]) if name in row.shares else "-" for name in names]
        table.add_row(row.method, *cells)
    return table


def suite_words(about: Mapping[str, Any]) -> str:
    """Return the suite's name with its variant, and a warning if it is not evaluated completely."""
    name = f"{about['suite']} ({about['variant']})" if about["variant"] else str(about["suite"])
    limited = about.get("limited")
    return f"{name}, {limited}: not a score of the suite" if limited else name


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * share:.1f}"


def dropped_lines(rows: Sequence[MethodRow]) -> list[str]:
    """Return why records were dropped, one line for each method with dropped records."""
    return [f"{row.method} dropped {dropped_words(row.dropped)}" for row in rows if row.dropped]


def dropped_words(dropped: Mapping[str, int]) -> str:
    """Return counts by reason, the largest first; small counts are combined."""
    if not dropped:
        return "0"
    shown = list(dropped.items())[:_REASONS_SHOWN]
    rest = sum(dropped.values()) - sum(count for _, count in shown)
    words = ", ".join(f"{count:,} {reason}" for reason, count in shown)
    return f"{sum(dropped.values()):,}: {words}" + (f", {rest:,} other" if rest else "")


def footnotes(report: Report) -> list[str]:
    """Return the notes below the table, one line each."""
    about = report.about
    given = f"{about['references']} ({about['template']})"
    return [
        "n is problems × seeds. " + _COVERS[_one_seed(report)],
        f"Responses: {about['responder']}. References: {given}. "
        f"Synthetic pairs: at most {about['pairs']} per seed, from {about['draws']} samples.",
        f"Suite {suite_words(about)}, {about['split']} problems, "
        f"digest {about['suite_digest'][:12]}; "
        f"model {about['model']}, digest {about['model_digest'][:12]}; "
        f"engine {about['engine']}. "
        f"Licence of generated text: {about.get('model_licence', 'unknown')}.",
        *([f"Chat template: {about['chat']}."] if about.get("chat") else []),
        f"Timeouts rerun without contention: {_retried(report)}.",
        *_text_counts(report.rows),
        *remarks(report.rows, report.about),
        f"{report.stages} stages in {report.seconds:.0f} s, {report.reused} of them reused"
        + ("; nothing recomputed." if report.reused == report.stages else "."),
        f"Stored in {report.stored}" + (f" as {report.name}" if report.name else ""),
    ]


def _text_counts(rows: Sequence[MethodRow]) -> list[str]:
    """Return how many texts were cut off or could not be decoded, if there are any."""
    counts = {
        "Solutions cut off at the maximum length": {r.method: r.truncated for r in rows},
        "Generated texts with undecodable characters (U+FFFD)": {
            r.method: r.undecodable for r in rows
        },
    }
    return [
        f"{name}: {', '.join(f'{method} {count:,}' for method, count in found.items() if count)}."
        for name, found in counts.items()
        if any(found.values())
    ]


def remarks(rows: Sequence[MethodRow], about: Mapping[str, Any]) -> list[str]:
    """Return remarks that prevent a misreading of the table."""
    lost = [(row.method, failure) for row in rows for failure in row.failures]
    found = [f"FAILED {method}, {failure}" for method, failure in lost if failure.stage]
    if found:
        found.append("Repeat the command to run failed rows again; all other rows are finished.")
    found += [f"MISSING {method}, {failure}" for method, failure in lost if not failure.stage]
    for row in rows:
        found += _remarks_on(row, int(about["pairs"]))
    scored = [row for row in rows if row.scores]
    if scored and all(row.scores[0].value == 0 for row in scored):
        problems = scored[0].scores[0].problems
        found.append(
            f"The backbone solves none of the {problems} problems, with or without fine-tuning: "
            "the methods cannot be compared."
        )
    return found


def _one_seed(report: Report) -> bool:
    return len(report.about["seeds"]) == 1


def _retried(report: Report) -> int:
    return sum(row.retried_timeouts for row in report.rows)


def failure_words(row: MethodRow) -> list[str]:
    """Return why a method has no score, one line for each seed."""
    return list(map(str, row.failures))


def unscored(row: MethodRow) -> str:
    """Return the word for a method without a score."""
    return "failed" if any(failure.stage for failure in row.failures) else "missing"


def _remarks_on(row: MethodRow, pairs: int) -> list[str]:
    if not row.scores:
        return []
    remarks = []
    wanted = pairs * len(row.scores[0].seeds)
    if row.untrained_seeds:
        numbers = ", ".join(map(str, row.untrained_seeds))
        remarks.append(
            f"{row.method}: no pair to train on (seed {numbers}); the score is the backbone's."
        )
    elif row.synthesizes and row.kept < wanted:
        remarks.append(f"{row.method}: {row.kept} of {wanted} pairs were kept.")
    if row.scores[0].value == 0:
        outcomes = ", ".join(f"{count} {name}" for name, count in row.outcomes.items())
        remarks.append(f"{row.method}: no program passed ({outcomes}).")
    return remarks
