"""Store the references and problems of a run, so that reports do not need the suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.stages.context import StageContext
from benchmarks.stages.traits import Traits
from benchmarks.suites.base import Split
from domino.records import Record, Reference

if TYPE_CHECKING:
    from benchmarks.store.store import Stage

REFERENCES, PROBLEMS = "references.jsonl", "problems.jsonl"


TRAITS = Traits()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemText(Record):
    """A problem as a reader sees it; its inputs stay with the suite."""

    id: str
    prompt: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainConfig:
    """Which problems are kept: those of `split`."""

    split: Split = "test"


def run(
    config: DomainConfig, references: Sequence[Reference], stage: Stage, context: StageContext
) -> None:
    """Write references.jsonl and problems.jsonl; continues where an earlier process stopped."""
    problems = [
        ProblemText(id=problem.id, prompt=problem.prompt, groups=context.suite.labels(problem))
        for problem in context.suite.problems(config.split)
    ]
    context.progress.start(stage.name, None)
    for file, records in ((REFERENCES, references), (PROBLEMS, problems)):
        done = {record.id for record in stage.read(file, type(records[0]))} if records else set()
        for record in records:
            if record.id not in done:
                stage.append(file, record)
    stage.finish({"references": len(references), "problems": len(problems)})
