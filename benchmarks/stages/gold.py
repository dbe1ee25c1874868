"""The check that comes before any score: the canonical solutions must pass our own evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.evaluator.check import canonical_failures
from benchmarks.stages.context import StageContext
from benchmarks.stages.errors import StageError
from benchmarks.stages.traits import Traits, always
from benchmarks.suites.base import Split
from benchmarks.suites.splits import first_by_seed
from domino.records import Verdict

if TYPE_CHECKING:
    from benchmarks.store.store import Stage

_SHOWN = 5


TRAITS = Traits(runs_programs=always)


class GoldError(StageError):
    """A suite's own solutions fail: it refuses to score anything."""

    problem_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, suite: str, failures: Sequence[Verdict], total: int) -> GoldError:
        """Name the problems; an error that its text alone makes can be sent between processes."""
        shown = ", ".join(f"{v.problem_id} ({_reason(v)})" for v in failures[:_SHOWN])
        more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        error = cls(
            f"{suite}: the canonical solutions of {len(failures)} of {total} problems fail: "
            f"{shown}{more}; nothing is scored until they pass: check the dataset, or raise the "
            "sandbox's limits where they time out or run out of memory"
        )
        error.problem_ids = tuple(verdict.problem_id for verdict in failures)
        return error


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldConfig:
    """Whose canonical solutions are run: those of the problems that are tried."""

    suite: str
    split: Split = "test"
    limit: int | None = None


def run(config: GoldConfig, stage: Stage, context: StageContext) -> None:
    """Finish the stage where every canonical solution of the split passes.

    Raises:
        GoldError: some do not.
    """
    found = context.suite.problems(config.split)
    problems = first_by_seed(found, config.limit, lambda problem: problem.id)
    context.progress.start(stage.name, 2 * len(problems))
    failures = canonical_failures(
        problems, context.sandbox, on_done=context.progress.advance, known=context.golds
    )
    if failures:
        raise GoldError.of(config.suite, failures, len(problems))
    stage.finish({"problems": len(problems), "failures": 0})


def _reason(verdict: Verdict) -> str:
    outcome = verdict.plus if verdict.base == "passed" else verdict.base
    return f"{outcome}: {verdict.detail}" if verdict.detail else str(outcome)
