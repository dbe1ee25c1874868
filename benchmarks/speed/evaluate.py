"""Scoring the same programs by our evaluator, sandbox included, and by evalplus's own.

Both run as the commands that a user types, with the same number of workers, one after the other in
every round: with empty caches first, where both run the canonical solutions, and then again, where
both remember what those returned.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.process import clean_environment
from benchmarks.speed.plans import EvaluatePlan
from benchmarks.speed.usage import Usage, measure
from benchmarks.suites.base import SuiteError
from benchmarks.suites.evalplus_data import Dataset, load_problems
from benchmarks.suites.samples import read_samples

EVALPLUS, OURS = "evalplus", "ours"
AGAIN = ", again"
_SUITES: dict[str, Dataset] = {"humaneval+": "humaneval", "mbpp+": "mbpp"}
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateRow:
    """One evaluator; the ratios are how many times evalplus's it took, median over rounds.

    Where it ran again, evalplus did so too.
    """

    name: str
    programs: int
    passed: int
    wall_s: float
    cpu_s: float
    wall_ratio: float
    cpu_ratio: float
    peak_bytes: int

    def values(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def compare(plan: EvaluatePlan) -> list[EvaluateRow]:
    """Time both evaluators in turn and return a row for each, with empty caches and again.

    Raises:
        SuiteError: data set or samples cannot be read.
        CommandError: an evaluator fails.
    """
    if Path() in (plan.dataset, plan.samples):
        raise SuiteError("--dataset and --samples are required: give the paths of both files")
    with tempfile.TemporaryDirectory() as folder:
        inputs = _Inputs(plan, Path(folder))
        runs = {EVALPLUS: inputs.run_evalplus, OURS: inputs.run_ours}
        usages: dict[str, list[Usage]] = {f"{n}{again}": [] for again in ("", AGAIN) for n in runs}
        for number in range(plan.rounds):
            for name in usages:
                evaluator = name.removesuffix(AGAIN)
                place, cache = (
                    Path(folder, f"{name}-{number}"),
                    Path(folder, f"{number}-{evaluator}"),
                )
                place.mkdir()
                usages[name].append(runs[evaluator](place, cache))
        passed = {EVALPLUS: inputs.evalplus_passed(), OURS: inputs.ours_passed()}
        return [
            _row(
                name, inputs.programs, passed[name.removesuffix(AGAIN)], own,
                usages[EVALPLUS + AGAIN * name.endswith(AGAIN)],
            )
            for name, own in usages.items()
        ]  # fmt: skip


class _Inputs:
    """The part of a data set that is measured, with its samples, as both evaluators read them."""

    def __init__(self, plan: EvaluatePlan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._suite = _SUITES[plan.suite]
        self._dataset = folder / "data.jsonl"
        self._samples = folder / "samples.jsonl"
        problems = load_problems(self._suite, plan.dataset).problems
        kept = {problem.id for problem in problems[: plan.limit]}
        self._dataset.write_text("".join(_rows_of(plan.dataset, kept)))
        read = read_samples(plan.samples, problems).programs
        programs = [p for p in read if p.problem_id in kept]
        lines = [
            json.dumps({"task_id": p.problem_id, "solution": p.code}) + "\n"
            for p in programs
            for _ in range(plan.copies)
        ]
        self._samples.write_text("".join(lines))
        self.programs = len(lines)

    def run_evalplus(self, place: Path, cache: Path) -> Usage:
        samples = Path(shutil.copy(self._samples, place))
        variable = f"{self._suite.upper()}_OVERRIDE_PATH"
        environment = {variable: str(self._dataset), "XDG_CACHE_HOME": str(cache)}
        return measure(
            [sys.executable, "-m", "evalplus.evaluate", "--dataset", self._suite, "--samples",
             str(samples), "--parallel", str(self._plan.workers)],
            until=place / "samples_eval_results.json",
            errors=place / "errors",
            environment=clean_environment(**environment),
        )  # fmt: skip

    def run_ours(self, place: Path, cache: Path) -> Usage:
        return measure(
            [sys.executable, "-m", "benchmarks.evaluate", "--suite", self._plan.suite, "--dataset",
             str(self._dataset), "--samples", str(self._samples), "--workers",
             str(self._plan.workers), "--json", str(place / "scores.json")],
            until=place / "scores.json",
            errors=place / "errors",
            environment=clean_environment(DOMINO_CACHE=str(cache)),
        )  # fmt: skip

    def evalplus_passed(self) -> int:
        found = self._read(EVALPLUS, "samples_eval_results.json")["eval"]
        return sum(
            row["base_status"] == row["plus_status"] == "pass"
            for rows in found.values()
            for row in rows
        )

    def ours_passed(self) -> int:
        return int(self._read(OURS, "scores.json")["scores"][1]["passed"])

    def _read(self, name: str, file: str) -> dict[str, Any]:
        text = (self._folder / f"{name}-0" / file).read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found


def _rows_of(dataset: Path, kept: set[str]) -> list[str]:
    data = dataset.read_bytes()
    text = (gzip.decompress(data) if dataset.suffix == ".gz" else data).decode()
    lines = [line for line in text.split("\n") if line.strip()]
    return [line + "\n" for line in lines if json.loads(line)["task_id"] in kept]


def _row(
    name: str, programs: int, passed: int, own: Sequence[Usage], first: Sequence[Usage]
) -> EvaluateRow:
    pairs = list(zip(own, first, strict=True))
    return EvaluateRow(
        name=name,
        programs=programs,
        passed=passed,
        wall_s=statistics.median(usage.wall_s for usage in own),
        cpu_s=statistics.median(usage.cpu_s for usage in own),
        wall_ratio=statistics.median(a.wall_s / b.wall_s for a, b in pairs),
        cpu_ratio=statistics.median(a.cpu_s / b.cpu_s for a, b in pairs),
        peak_bytes=max(usage.peak_bytes for usage in own),
    )


def title(plan: EvaluatePlan) -> str:
    """Return what the table is headed by."""
    part = "" if plan.limit is None else f", the first {plan.limit} problems"
    times = "" if plan.copies == 1 else f", each {plan.copies} times"
    return f"{plan.suite}, {plan.dataset.name}{part}{times}, {plan.workers} workers"


def table(heading: str, rows: Sequence[EvaluateRow]) -> str:
    """Return the rows as text; ratios are to evalplus's, and below 1 is less."""
    cells = [
        ["", "programs", "passed", "wall s", "of evalplus", "CPU s", "of evalplus", "peak MiB"]
    ]
    cells += [
        [
            row.name, str(row.programs), str(row.passed), f"{row.wall_s:.1f}",
            f"{row.wall_ratio:.2f}", f"{row.cpu_s:.1f}", f"{row.cpu_ratio:.2f}",
            f"{row.peak_bytes / _MIB:,.0f}",
        ]
        for row in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [heading]
    for name, *values in cells:
        padded = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines) + "\n"
