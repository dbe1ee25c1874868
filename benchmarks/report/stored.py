"""Stored runs: their rows, scores and comparisons, from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import update
from benchmarks.common.files import StoreError
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.pipeline.cell import differing
from benchmarks.pipeline.manifest import (
    Invocation,
    RowEntry,
    find_invocation,
    plain_config,
    read_invocation,
)
from benchmarks.pipeline.rows import FIELDS, STEPS, Described, FailedRun, SeedRun
from benchmarks.report.comparisons import Comparisons, compare, group
from benchmarks.report.facts import FACTS
from benchmarks.report.method_rows import MethodRow, method_rows
from benchmarks.stages.domain import PROBLEMS, REFERENCES, ProblemText
from benchmarks.store.store import Store
from domino.records import Reference

if TYPE_CHECKING:
    from benchmarks.store.store import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """A stored run with its stages.

    Attributes:
        invocation: its manifest.
        domain: the stage with references and problems.
        references: properties of the references.
        described: properties of sampled data, by method and seed.
        rows: one for each seed and method, in the order of the run.
        label: distinguishes it from the other runs of a report; "" if it is the only one.
        settings: complete config by method; only for runs made from cells.
        cells: whether it was made from cells, which contain no texts and no embeddings.
        plans: the comparison plans under which its rows were made, if known.
    """

    invocation: Invocation
    domain: Stage
    references: Described
    described: Mapping[tuple[str, int], Described]
    rows: tuple[SeedRun | FailedRun, ...]
    label: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cells: bool = False
    plans: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The run's name."""
        return self.invocation.name

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds of the run."""
        return tuple(self.invocation.about["seeds"])

    @property
    def finished(self) -> str:
        """Time when its last stage finished: UTC, ISO 8601."""
        return max(stage.finished for stage in self.stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages of the run, each once, by directory."""
        found = {stage.path.name: stage for row in self.rows for stage in row.stages}
        return (self.domain, *(found[name] for name in sorted(found)))

    def read_references(self) -> list[Reference]:
        """Return the references of the methods."""
        return self.domain.read(REFERENCES, Reference)

    def read_problems(self) -> list[ProblemText]:
        """Return the problems of the evaluation."""
        return self.domain.read(PROBLEMS, ProblemText)

    @property
    def compare(self) -> ComparisonConfig:
        """The planned comparisons; the default for a run older than this field."""
        return update(ComparisonConfig(), self.invocation.config.get("compare", {}))

    def with_plan(self, compare: ComparisonConfig) -> StoredRun:
        """Return the run under another plan of comparisons, which its invocation then names."""
        config = self.invocation.config
        plans = self.plans or ((config["compare"],) if "compare" in config else ())
        invocation = replace(self.invocation, config={**config, "compare": plain_config(compare)})
        return replace(self, invocation=invocation, plans=plans)

    def plan_notes(self) -> list[str]:
        """Return a line for each other plan under which rows were made."""
        here = plain_config(self.compare)
        found = [differing("", plan, here) for plan in self.plans]
        return [
            f"Rows were made under another plan of comparisons: {why}."
            for why in dict.fromkeys(found)
            if why
        ]

    @property
    def names(self) -> dict[str, str]:
        """The name of each method in the report."""
        return {method: self.shown(method) for method in self.invocation.config["methods"]}

    def shown(self, method: str) -> str:
        """Return the name of a method in the report."""
        return f"{method} ({self.label})" if self.label else method

    def shown_rows(self) -> list[SeedRun | FailedRun]:
        """Return the rows under their names in the report."""
        return [replace(row, method=self.shown(row.method)) for row in self.rows]

    def method_rows(self) -> list[MethodRow]:
        """Return one row per method, under its name in the report."""
        return method_rows(self.shown_rows(), self.invocation.config["evaluate"]["ks"])


def load_run(name: str | Path, output: Path = Path("runs")) -> StoredRun:
    """Return a stored run.

    Args:
        name: the run's name or the beginning of it, its file, or a directory with one run.
        output: directory of runs, if `name` is a name.

    Raises:
        ConfigError: no run, or more than one, has this name.
        StoreError: a stage of the run is missing or damaged.
    """
    path = find_invocation(str(name), output)
    invocation = read_invocation(path)
    store = Store(path.absolute().parent.parent)
    return StoredRun(
        invocation=invocation,
        domain=store.stored(invocation.domain),
        references=_described(invocation, store),
        described={
            (entry.method, entry.seed): _described(entry, store)
            for entry in invocation.rows
            if entry.measures
        },
        rows=tuple(_row(entry, store) for entry in invocation.rows),
    )


def _described(entry: Invocation | RowEntry, store: Store) -> Described:
    return Described(embedded=store.stored(entry.embedded), measures=store.stored(entry.measures))


def _row(entry: RowEntry, store: Store) -> SeedRun | FailedRun:
    stages = tuple(map(store.stored, entry.stages))
    if entry.failed_in:
        return FailedRun(
            method=entry.method, seed=entry.seed, asked=entry.asked, stages=stages,
            stage=entry.failed_in, reason=entry.reason,
        )  # fmt: skip
    by_name = {stage.name: stage for stage in stages}
    missing = [name for name in STEPS if name not in by_name]
    if missing:
        raise StoreError(
            f"{entry.method} seed {entry.seed} lacks {', '.join(missing)}: the run's file was "
            "changed; repeat the command of the run"
        )
    given = {field: by_name[step] for field, step in zip(FIELDS, STEPS, strict=True)}
    return SeedRun(method=entry.method, seed=entry.seed, **given)


def compare_rows(
    rows: Sequence[SeedRun | FailedRun], methods: Sequence[str], config: ComparisonConfig
) -> Comparisons:
    """Compare all pairs of methods of one run that were scored with every seed.

    Raises:
        ConfigError: the rows do not have the same problems.
    """
    names = {method: method for method in methods}
    (found,), _ = compare([group(rows, [names], config)], config)
    return found


def facts_of(run: StoredRun) -> Mapping[str, Mapping[str, float]]:
    """Return the oracles' shares by fact, for each method under its name in the report."""
    facts = run.invocation.facts
    return {
        run.shown(method): {name: facts[method][name] for name in FACTS if name in facts[method]}
        for method in run.invocation.config["methods"]
        if method in facts
    }
