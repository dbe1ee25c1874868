"""One row per method over all seeds, from the stored stages of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.fields import ConfigError
from benchmarks.metrics.intervals import mean_interval
from benchmarks.metrics.passk import pass_at_k
from benchmarks.pipeline.rows import FailedRun
from benchmarks.report.funnel import Funnel, funnel, total
from benchmarks.stages.evaluate import VERDICTS
from domino.records import Score, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pipeline.rows import SeedRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A seed without a score: the stage in which it failed, and why.

    `stage` is "" if the row has not been run, so that there is no cell of it.
    """

    seed: int
    stage: str
    reason: str

    def __str__(self) -> str:
        """Return it as text."""
        where = f" failed in {self.stage}" if self.stage else ""
        return f"seed {self.seed}{where}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodRow:
    """One method over all seeds.

    Attributes:
        method: its name.
        synthesizes: whether it adds new instructions.
        scores: pass@k on base and plus inputs, for each k; the first is Pass@1. They are over the
            seeds that did not fail; empty if all failed.
        base_scores: the same on base inputs only.
        drawn: sampled instructions, over all seeds.
        kept: pairs for fine-tuning, over all seeds.
        dropped: dropped records by reason, over all stages and seeds.
        seconds: duration of all stages; a shared stage counts in every row.
        tokens: tokens generated to make the pairs, including dropped ones.
        evaluation_tokens: tokens generated to solve the problems.
        outcomes: number of programs by outcome.
        untrained_seeds: seeds without a pair, for which the plain backbone was scored.
        stages: the directory of every stage, by seed.
        funnel: number of records after each step.
        failures: the seeds without a score.
        retried_timeouts: programs whose timeout was rerun without contention.
        truncated: solutions cut off at the maximum number of new tokens.
        undecodable: generated texts with a character that could not be decoded (U+FFFD).
    """

    method: str
    synthesizes: bool
    scores: tuple[Score, ...]
    base_scores: tuple[Score, ...]
    drawn: int
    kept: int
    dropped: Mapping[str, int]
    seconds: float
    tokens: int
    evaluation_tokens: int
    outcomes: Mapping[str, int]
    untrained_seeds: tuple[int, ...]
    stages: Mapping[str, tuple[str, ...]]
    funnel: Funnel
    failures: tuple[Failure, ...] = ()
    retried_timeouts: int = 0
    truncated: int = 0
    undecodable: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return dataclasses.asdict(self)


def method_rows(rows: Sequence[SeedRun | FailedRun], ks: Sequence[int]) -> list[MethodRow]:
    """Return one row per method, in the order of first appearance."""
    by_method: dict[str, list[SeedRun | FailedRun]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    return [_method_row(method, seeds, ks) for method, seeds in by_method.items()]


def _method_row(method: str, rows: Sequence[SeedRun | FailedRun], ks: Sequence[int]) -> MethodRow:
    ordered = sorted(rows, key=lambda row: row.seed)
    scored = [row for row in ordered if not isinstance(row, FailedRun)]
    yielded = funnel(method, ordered)
    stages = [stage for row in ordered for stage in row.stages]
    drawn = [stage.summary for stage in stages if stage.name == "synthesize"]
    return MethodRow(
        method=method,
        synthesizes=all(summary["synthesizes"] for summary in drawn),
        scores=_scores(scored, ks, "pass", lambda verdict: verdict.passed),
        base_scores=_scores(scored, ks, "base pass", lambda verdict: verdict.base == "passed"),
        drawn=yielded.steps[0].kept,
        kept=yielded.steps[-1].kept,
        dropped=yielded.dropped,
        seconds=round(sum(stage.seconds for stage in stages), 1),
        tokens=sum(s.summary["tokens"] for s in stages if s.name in ("synthesize", "respond")),
        evaluation_tokens=sum(row.evaluated.summary["tokens"] for row in scored),
        outcomes=total(row.evaluated.summary["outcomes"] for row in scored),
        untrained_seeds=tuple(row.seed for row in scored if not row.tuned.summary["adapter"]),
        stages={str(row.seed): tuple(stage.path.name for stage in row.stages) for row in ordered},
        funnel=yielded,
        failures=tuple(
            Failure(seed=row.seed, stage=row.stage, reason=row.reason)
            for row in ordered
            if isinstance(row, FailedRun)
        ),
        retried_timeouts=sum(row.evaluated.summary["retried_timeouts"] for row in scored),
        truncated=sum(row.evaluated.summary["truncated"] for row in scored),
        undecodable=sum(stage.summary.get("undecodable", 0) for stage in stages),
    )


def _scores(
    rows: Sequence[SeedRun], ks: Sequence[int], name: str, passes: Callable[[Verdict], bool]
) -> tuple[Score, ...]:
    """Return pass@k for each k over the rows' seeds; empty without rows."""
    if not rows:
        return ()
    results = [_verdicts(row, passes) for row in rows]
    seeds = tuple(row.seed for row in rows)
    return tuple(_score(f"{name}@{k}", results, seeds, k) for k in ks)


def _verdicts(row: SeedRun, passes: Callable[[Verdict], bool]) -> dict[str, tuple[int, int]]:
    """Return (samples, passed) for each problem, ordered by id."""
    counts: dict[str, list[bool]] = {}
    for verdict in row.evaluated.read(VERDICTS, Verdict):
        counts.setdefault(verdict.problem_id, []).append(passes(verdict))
    return {problem: (len(counts[problem]), sum(counts[problem])) for problem in sorted(counts)}


def outcomes(rows: Sequence[SeedRun]) -> tuple[list[str], NDArray[np.float64]]:
    """Return one method's problems and its pass@1 [seeds, problems], ordered by id."""
    ordered = sorted(rows, key=lambda row: row.seed)
    results = [_verdicts(row, lambda verdict: verdict.passed) for row in ordered]
    table_SP2 = _counts(results)
    return list(results[0]), pass_at_k(table_SP2[..., 0], table_SP2[..., 1], 1)


def _score(
    metric: str, results: Sequence[Mapping[str, tuple[int, int]]], seeds: tuple[int, ...], k: int
) -> Score:
    table_SP2 = _counts(results)
    interval = mean_interval(pass_at_k(table_SP2[..., 0], table_SP2[..., 1], k))
    return Score(
        metric=metric,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        problems=table_SP2.shape[1],
        samples=int(table_SP2[0, 0, 0]),
        seeds=seeds,
    )


def _counts(results: Sequence[Mapping[str, tuple[int, int]]]) -> NDArray[np.int64]:
    """Return (samples, passed) as [seeds, problems, 2], problems in the order of the first seed.

    Raises:
        ConfigError: the seeds do not have the same problems.
    """
    if any(result.keys() != results[0].keys() for result in results):
        raise ConfigError(
            "the seeds of one method have different problems: report runs of one data set"
        )
    return np.array([[result[problem] for problem in results[0]] for result in results])
