"""The records of a run as tidy pandas frames, with the meaning of every column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pipeline.rows import FailedRun
from benchmarks.report.compared_runs import ComparedRuns, combine
from benchmarks.report.data_measures import character_lines, correlation_lines
from benchmarks.report.shares import variance_lines
from benchmarks.report.stored import facts_of, load_run
from benchmarks.stages.evaluate import VERDICTS
from benchmarks.stages.sieve import DROPPED, KEPT
from benchmarks.stages.synthesize import SYNTHETIC
from domino.records import Dropped, Synthetic, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.report.method_rows import MethodRow

TRAINED = "fine-tuned on"
"""The value of `fate` for a sample that no stage dropped."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "scores": {
        "method": "method, with the run's label where there are several runs",
        "metric": "pass@k on base and plus inputs, or base pass@k on base inputs alone",
        "value": "estimate in [0, 1]; missing if every seed failed",
        "low": "lower end of the 95 % interval",
        "high": "upper end of the 95 % interval",
        "problems": "problems",
        "samples": "programs for each problem",
        "seeds": "seeds that were scored",
        "missing": "seeds that were not scored, separated by commas",
        "failure": "why they were not scored",
    },
    "verdicts": {
        "first": "the method that `verdict` is about",
        "second": "the method that it is compared with",
        "domain": "the data set, if there are several",
        "family": "primary (planned) or exploratory",
        "difference": "Pass@1 of first minus second, in [-1, 1]",
        "low": "lower end of the 95 % interval, uncorrected; with one seed, over problems only; "
        "with interim analyses, of the repeated confidence interval",
        "high": "upper end of the 95 % interval",
        "df": "Welch-Satterthwaite degrees of freedom",
        "test": "crossed (analysis of variance over runs and problems), or exact (McNemar: two "
        "models of one seed, not methods)",
        "p_holm": "p-value of no difference, Holm-corrected over the family; missing below 4 "
        "seeds, except for the exact test",
        "p_equivalence": "p-value of a difference of the margin or more, Holm-corrected",
        "verdict": "better, worse, equivalent or undecided; not compared below 4 seeds",
        "edge": "floor or ceiling, if both methods are equivalent there",
        "needed": "designs that would decide it",
    },
    "pooled": {
        "first": "the method that `verdict` is about",
        "second": "the method that it is compared with",
        "family": "primary (planned) or exploratory",
        "domains": "domains or suites",
        "difference": "random-effects mean of first minus second, in [-1, 1]",
        "low": "lower end of its 95 % interval: Hartung-Knapp, or the plain one if that is wider; "
        "the verdict is based on it",
        "high": "upper end of its 95 % interval",
        "plain_low": "lower end of the plain 95 % interval",
        "plain_high": "upper end of the plain 95 % interval",
        "tau": "standard deviation of the true difference between domains",
        "p_holm": "p-value of no difference, Holm-corrected over the family",
        "p_equivalence": "p-value of a difference of the margin or more, Holm-corrected",
        "verdict": "better, worse, equivalent or undecided",
    },
    "variance": {
        "method": "method, with the run's label where there are several runs; or over all domains",
        "run_sd": "standard deviation between runs (seeds) of a method, in [0, 1]",
        "run": "share of the variance of the method's mean that is due to its runs",
        "problem": "share due to the choice of problems",
        "residual": "share due to run and problem together",
        "closed": "share of the gap between no data and the ceiling that the method closes",
        "closed_low": "lower end of its 95 % interval (Fieller)",
        "closed_high": "upper end of its 95 % interval",
    },
    "programs": {
        "method": "method, with the run's label where there are several runs",
        "seed": "seed of the whole pipeline",
        "problem": "id of the problem",
        "program": "id of the program",
        "base": "outcome on base inputs",
        "plus": "outcome on base and plus inputs",
        "passed": "whether it passed both",
    },
    "funnel": {
        "method": "method, with the run's label where there are several runs",
        "step": "step of the pipeline, in order",
        "incoming": "records that the step received, over all seeds",
        "kept": "records that it kept",
        "dropped": "records that it dropped",
        "reasons": "count and reason of dropped records, the largest first",
    },
    "samples": {
        "method": "method, with the run's label where there are several runs",
        "seed": "seed of the whole pipeline",
        "id": "id of the record, unique for a method and seed",
        "instruction": "the instruction that the method sampled",
        "response": "the response, if the record got that far",
        "fate": f"{TRAINED!r}, or the reason why it was dropped",
    },
    "costs": {
        "method": "method, with the run's label where there are several runs",
        "seed": "seed of the whole pipeline",
        "stage": "stage of the pipeline, in order",
        "seconds": "seconds of work in the stage; a shared stage counts in every row",
        "cpu_seconds": "processor seconds of the stage; missing if they were not measured",
        "tokens": "tokens that the stage generated",
    },
    "facts": {
        "method": "method, with the run's label where there are several runs",
        "fact": "what the suite's oracle counts, over sampled instructions or kept pairs",
        "share": "share for which it holds, in [0, 1]",
    },
    "character": {
        "method": "method, or the references, with the run's label where there are several runs",
        "seed": "seed of the whole pipeline; missing for the references",
        "against": "references or problems; empty for a measure of the instructions only",
        "measure": "name of the measure; for an exact count, 'oracle: ' and its name",
        "value": "its value; copies and oracles are shares in [0, 1]",
        "n": "instructions that were described",
    },
    "correlations": {
        "oracle": "what the suite's oracle counts",
        "estimate": "the measure that estimates it where there is no oracle",
        "rho": "Spearman's rank correlation over at least ten methods; 1 ranks them as the oracle "
        "does",
        "low": "lower end of its 95 % interval",
        "high": "upper end of its 95 % interval",
        "methods": "methods that have both",
    },
}
"""What each column means, by frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frames:
    """A run's records; `COLUMNS` has the meaning of every column.

    Attributes:
        scores: a line for each method and metric.
        verdicts: a line for each pair of methods.
        pooled: a line for each pair, over domains; empty if there is only one domain.
        variance: a line for each method that has several runs, or a ceiling above it.
        programs: a line for each evaluated program.
        funnel: a line for each method and step.
        samples: a line for each synthetic record.
        costs: a line for each method, seed and stage.
        facts: a line for each method and fact; empty if the suite has no oracles.
        character: a line for each method, seed and measure of its instructions.
        correlations: a line for each oracle and estimate; empty if the suite has no oracles.
    """

    scores: pd.DataFrame
    verdicts: pd.DataFrame
    pooled: pd.DataFrame
    variance: pd.DataFrame
    programs: pd.DataFrame
    funnel: pd.DataFrame
    samples: pd.DataFrame
    costs: pd.DataFrame
    facts: pd.DataFrame
    character: pd.DataFrame
    correlations: pd.DataFrame

    def __repr__(self) -> str:
        """Return each frame's name, lines and columns."""
        shapes = (f"  {name}: {len(f)} lines, {', '.join(f)}" for name, f in self.items())
        return "\n".join(["Frames", *shapes])

    def items(self) -> list[tuple[str, pd.DataFrame]]:
        """Return the frames by name."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def load(
    run: str | Path, *more: str | Path, output: str | Path = "runs", force: bool = False
) -> Frames:
    """Return the frames of a stored run, or of several runs that can be compared.

    Args:
        run: name that `benchmarks.run` printed, file of the run, or a directory with one run.
        more: further runs.
        output: directory of runs that is searched for names.
        force: accept runs that differ in their dataset or versions.

    Raises:
        ConfigError: no run has this name, or runs differ.
        StoreError: a stage is missing or damaged.
    """
    found = [load_run(name, Path(output)) for name in (run, *more)]
    return frames(combine(found, force=force))


def frames(runs: ComparedRuns) -> Frames:
    """Return the frames of runs."""
    rows = [row for run in runs.runs for row in run.shown_rows()]
    character = _frame("character", (line for run in runs.runs for line in character_lines(run)))
    return Frames(
        scores=_frame("scores", _scores(runs.method_rows())),
        verdicts=_frame("verdicts", _verdicts(runs)),
        pooled=_frame("pooled", (one.to_dict() for one in runs.pooled())),
        variance=_frame("variance", variance_lines(runs.groups(), runs.pooled_names)),
        programs=_frame("programs", _each(rows, _programs)),
        funnel=_frame("funnel", _funnel(runs.method_rows())),
        samples=_frame("samples", _each(rows, _samples)),
        costs=_frame("costs", _each(rows, _costs)),
        facts=_frame("facts", _facts(runs)),
        character=character,
        correlations=_frame("correlations", correlation_lines(character)),
    )


def _frame(name: str, lines: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(lines), columns=list(COLUMNS[name]))


def _each(
    rows: Sequence[SeedRun | FailedRun],
    lines: Callable[[SeedRun | FailedRun], Iterable[Mapping[str, Any]]],
) -> Iterable[Mapping[str, Any]]:
    for row in rows:
        for line in lines(row):
            yield {"method": row.method, "seed": row.seed, **line}


def _scores(rows: Sequence[MethodRow]) -> Iterable[Mapping[str, Any]]:
    for row in rows:
        lost = {
            "missing": ", ".join(str(failure.seed) for failure in row.failures),
            "failure": "; ".join(
                f"{f.stage}: {f.reason}" if f.stage else f.reason for f in row.failures
            ),
        }
        if not row.scores:
            yield {"method": row.method, "metric": "pass@1", "seeds": 0, **lost}
        for score in (*row.scores, *row.base_scores):
            yield {
                "method": row.method, "metric": score.metric, "value": score.value,
                "low": score.low, "high": score.high, "problems": score.problems,
                "samples": score.samples, "seeds": len(score.seeds), **lost,
            }  # fmt: skip


def _verdicts(runs: ComparedRuns) -> Iterable[Mapping[str, Any]]:
    for found in runs.comparisons():
        for line in found.to_dicts():
            yield {**line, "domain": found.domain}


def _programs(row: SeedRun | FailedRun) -> Iterable[Mapping[str, Any]]:
    if isinstance(row, FailedRun):
        return
    for verdict in row.evaluated.read(VERDICTS, Verdict):
        yield {
            "problem": verdict.problem_id, "program": verdict.program_id,
            "base": str(verdict.base), "plus": str(verdict.plus), "passed": verdict.passed,
        }  # fmt: skip


def _funnel(rows: Sequence[MethodRow]) -> Iterable[Mapping[str, Any]]:
    for row in rows:
        for step in row.funnel.steps:
            reasons = ", ".join(f"{count} {reason}" for reason, count in step.dropped.items())
            yield {
                "method": row.method, "step": step.name, "incoming": step.incoming,
                "kept": step.kept, "dropped": sum(step.dropped.values()), "reasons": reasons,
            }  # fmt: skip


def _samples(row: SeedRun | FailedRun) -> Iterable[Mapping[str, Any]]:
    dropped = {d.id: d.reason for stage in row.stages for d in stage.read(DROPPED, Dropped)}
    answered = {
        record.id: record.response for stage in row.stages for record in stage.read(KEPT, Synthetic)
    }
    fate = f"row failed in {row.stage}" if isinstance(row, FailedRun) else TRAINED
    for stage in row.stages:
        for record in stage.read(SYNTHETIC, Synthetic):
            yield {
                "id": record.id,
                "instruction": record.instruction,
                "response": answered.get(record.id, record.response),
                "fate": dropped.get(record.id, fate),
            }


def _costs(row: SeedRun | FailedRun) -> Iterable[Mapping[str, Any]]:
    for stage in row.stages:
        of_processors = math.nan if stage.cpu_seconds is None else stage.cpu_seconds
        yield {
            "stage": stage.name, "seconds": stage.seconds, "cpu_seconds": of_processors,
            "tokens": int(stage.summary.get("tokens", 0)),
        }  # fmt: skip


def _facts(runs: ComparedRuns) -> Iterable[Mapping[str, Any]]:
    for run in runs.runs:
        for method, shares in facts_of(run).items():
            for fact, share in shares.items():
                yield {"method": method, "fact": fact, "share": share}
