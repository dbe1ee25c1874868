"""Which method beats which: the planned comparisons first, every other pair as exploratory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.fields import ConfigError
from benchmarks.config.comparison_config import NO_DATA
from benchmarks.metrics.crossed import (
    LEVEL,
    MIN_SEEDS,
    MORE_PROBLEMS,
    Design,
    Estimate,
    difference,
    needed,
    predicted,
)
from benchmarks.metrics.intervals import holm, mcnemar
from benchmarks.metrics.pooling import Pooled
from benchmarks.metrics.sequential import Decision, Tested, Verdict, analyses_at, bounds, decide
from benchmarks.pipeline.rows import FailedRun
from benchmarks.report.method_rows import outcomes
from benchmarks.report.pooled import BySeeds, Pair, PooledComparison, pooled_estimates

if TYPE_CHECKING:
    from benchmarks.config.comparison_config import ComparisonConfig
    from benchmarks.pipeline.rows import SeedRun

CEILING = "ceiling"
"""The name of the row that is fine-tuned on right pairs."""
NOT_COMPARED: Literal["not compared"] = "not compared"
"""The verdict on methods that have too few seeds for one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairwiseResult:
    """Pass@1 of one method minus another's.

    Attributes:
        first: the method that `verdict` is about.
        second: the one that it is compared with.
        estimate: of the difference, at the latest analysis.
        primary: whether the run planned it; else it is exploratory.
        verdict: better, worse, equivalent, undecided; not compared where there are too few seeds.
        p: of no difference, corrected by Holm over the family; of one seed, McNemar's exact one,
            which is about two fine-tuned models and not about methods; None where there is none.
        equivalence_p: of a difference of the margin or more, corrected likewise; None where the
            methods are not compared.
        level: of the interval; with interim analyses, of the latest one.
        edge: where both methods are, if equivalent: "floor", near no data, or "ceiling"; else "".
        needed: the designs that would decide it, if undecided.
    """

    first: str
    second: str
    estimate: Estimate
    primary: bool
    verdict: Verdict | Literal["not compared"]
    p: float | None
    equivalence_p: float | None = None
    level: float = LEVEL
    edge: str = ""
    needed: tuple[Design, ...] = ()

    @property
    def value(self) -> float:
        """The difference."""
        return float(self.estimate.value)

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval, uncorrected by Holm; of one seed it covers problems alone.

        With interim analyses it is a repeated confidence interval (Jennison and Turnbull, 1989):
        those of all analyses together hold the truth in 95 %.
        """
        low, high = self.estimate.interval(self.level)
        return max(-1.0, float(low)), min(1.0, float(high))

    @property
    def significant(self) -> bool:
        """Whether the methods differ."""
        return self.verdict in ("better", "worse")

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        low, high = self.interval
        return {
            "first": self.first, "second": self.second,
            "family": "primary" if self.primary else "exploratory",
            "difference": self.value, "low": low, "high": high, "df": float(self.estimate.df),
            "test": "exact" if self.verdict == NOT_COMPARED else "crossed",
            "p_holm": self.p, "p_equivalence": self.equivalence_p, "verdict": self.verdict,
            "edge": self.edge, "needed": " or ".join(map(str, self.needed)),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparisons:
    """All pairs of one data set.

    Attributes:
        pairs: each once, the primary ones first.
        design: seeds and problems.
        families: how many primary and how many exploratory comparisons Holm's correction is over:
            those of all data sets of a report, and those pooled over them.
        margin: of equivalence, in points.
        planned: how many primary comparisons the run planned, those that cannot be made included.
        analyses: seeds at the interim analyses so far; empty without interim analyses.
        missing: methods that have not been scored with every seed, and so are not compared.
        separates: whether the ceiling beats no data, at 5 % and uncorrected; where methods are not
            compared, False if its estimate is not higher; else None, and where a run lacks one.
        domain: the name of the data set, where a report has several.
    """

    pairs: tuple[PairwiseResult, ...]
    design: Design
    families: tuple[int, int]
    margin: float
    planned: int = 0
    analyses: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    separates: bool | None = None
    domain: str = ""

    @property
    def primary(self) -> list[PairwiseResult]:
        """The planned comparisons."""
        return [pair for pair in self.pairs if pair.primary]

    @property
    def exploratory(self) -> list[PairwiseResult]:
        """All other pairs."""
        return [pair for pair in self.pairs if not pair.primary]

    @property
    def family(self) -> list[PairwiseResult]:
        """The planned comparisons, or all pairs where none is planned."""
        return self.primary or list(self.pairs)

    def shares(self) -> list[float]:
        """Return which shares of a difference's variance are of runs, problems and the residual.

        Of the mean over the family's pairs.
        """
        parts = np.array([pair.estimate.components() for pair in self.family]).mean(axis=0)
        return [float(share) for share in parts / (parts.sum() or 1.0)]

    @property
    def detectable(self) -> float | None:
        """The minimum detectable difference of a comparison of the family, after Holm's correction.

        None where methods are not compared.
        """
        compared = self.pairs and self.design.seeds >= MIN_SEEDS
        return self._detectable(self.design) if compared else None

    def outlook(self) -> list[tuple[Design, float]]:
        """Return minimum detectable differences: now, with twice the seeds, with more problems."""
        now = self.design
        designs = (
            now,
            Design(seeds=2 * now.seeds, problems=now.problems),
            Design(seeds=now.seeds, problems=MORE_PROBLEMS * now.problems),
        )
        return [(design, self._detectable(design)) for design in designs]

    def _detectable(self, design: Design) -> float:
        found = [predicted(pair.estimate, self.design, design) for pair in self.family]
        size = self.families[0] or self.families[1]
        sizes = [one.detectable(comparisons=size) for one in found]
        return float(np.mean(sizes))

    @property
    def decided(self) -> bool:
        """Whether every primary comparison is decided."""
        verdicts = [pair.verdict for pair in self.primary]
        open_ones = {"undecided", NOT_COMPARED} & set(verdicts)
        return len(verdicts) == self.planned > 0 and not open_ones

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the pairs as plain data."""
        return [pair.to_dict() for pair in self.pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The methods of one data set.

    Attributes:
        tables: Pass@1 [runs, problems] of each method that was scored with every seed.
        primary: the planned comparisons that can be made.
        planned: how many were planned.
        missing: the other methods.
        floor: the method without data, "" where there is none.
        ceiling: the method with right pairs, "" likewise.
        domain: the name of the data set, where a report has several.
        problems: the ids of the tables' problems, in their order.
    """

    tables: Mapping[str, NDArray[np.float64]]
    primary: Sequence[Pair]
    planned: int = 0
    missing: tuple[str, ...] = ()
    floor: str = ""
    ceiling: str = ""
    domain: str = ""
    problems: tuple[str, ...] = ()
    design: Design = field(init=False)

    def __post_init__(self) -> None:
        """Count."""
        shapes = [table.shape for table in self.tables.values()]
        runs, problems = max((s[0] for s in shapes), default=0), shapes[0][1] if shapes else 0
        object.__setattr__(self, "design", Design(seeds=runs, problems=problems))

    def pairs(self) -> dict[Pair, bool]:
        """Return each pair of methods once, the primary ones first, and whether it is primary."""
        if self.design.problems < 2:  # no variance can be estimated
            return {}
        found = {pair: True for pair in self.primary if set(pair) <= set(self.tables)}
        others = [(later, earlier) for earlier, later in combinations(self.tables, 2)]
        return found | {(a, b): False for a, b in others if not {(a, b), (b, a)} & set(found)}


def group(
    rows: Sequence[SeedRun | FailedRun],
    names: Sequence[Mapping[str, str]],
    config: ComparisonConfig,
    domain: str = "",
) -> Group:
    """Return the methods of one data set as they are compared.

    Args:
        rows: of one run, or of several with the same problems, under the names that are shown.
        names: for each run, the shown name of each of its methods.
        config: the planned comparisons.
        domain: the name of the data set, where a report has several.

    Raises:
        ConfigError: the rows do not have the same problems.
    """
    rows = _complete_seeds(rows, names, config) if config.until_decided else rows
    complete, missing, problems = _tables(rows)
    planned = [(own, pair) for own in names for pair in config.pairs(list(own))]
    primary = [(own[a], own[b]) for own, (a, b) in planned if a in own and b in own]
    return Group(
        tables=complete, primary=primary, planned=len(planned), missing=tuple(missing),
        floor=names[0].get(NO_DATA, ""), ceiling=names[0].get(CEILING, ""), domain=domain,
        problems=problems,
    )  # fmt: skip


def _complete_seeds(
    rows: Sequence[SeedRun | FailedRun],
    names: Sequence[Mapping[str, str]],
    config: ComparisonConfig,
) -> Sequence[SeedRun | FailedRun]:
    """Return the rows of the seeds that all planned methods have had; without a cell there is none.

    A planned method that has had fewer seeds than a comparison takes does not hold up the others.
    """
    had: dict[str, set[int]] = {}
    for row in rows:
        had.setdefault(row.method, set())
        if not isinstance(row, FailedRun) or row.stage:
            had[row.method].add(row.seed)
    planned = {own.get(m, "") for own in names for pair in config.pairs(list(own)) for m in pair}
    under_way = [own for method, own in had.items() if method in planned and len(own) >= MIN_SEEDS]
    complete = set.intersection(*under_way) if under_way else {row.seed for row in rows}
    return [row for row in rows if row.seed in complete]


def _tables(
    rows: Sequence[SeedRun | FailedRun],
) -> tuple[dict[str, NDArray[np.float64]], list[str], tuple[str, ...]]:
    """Return Pass@1 [runs, problems] of each complete method, the others' names, the problems' ids.

    A method that fine-tunes nothing and solves the same problems with every seed is one run: the
    backbone, evaluated greedily.

    Raises:
        ConfigError: the rows do not have the same problems.
    """
    by_method: dict[str, list[SeedRun | FailedRun]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    found, problems, one_run = {}, {}, set()
    for method, own in by_method.items():
        scored = [row for row in own if not isinstance(row, FailedRun)]
        if len(scored) < len(own):
            continue
        problems[method], table = outcomes(scored)
        trained = any(row.tuned.summary.get("adapter", True) for row in scored)
        if not trained and (table == table[:1]).all():
            one_run.add(method)
        found[method] = table[:1] if method in one_run else table
    _require_equal(problems)
    seeds = max(map(len, by_method.values()), default=0)
    complete = {m: t for m, t in found.items() if len(by_method[m]) == seeds or m in one_run}
    ids = tuple(next(iter(problems.values()), ()))
    return complete, [method for method in by_method if method not in complete], ids


def _require_equal(problems: Mapping[str, Sequence[str]]) -> None:
    for method, own in problems.items():
        first, others = next(iter(problems.items()))
        if own != others:
            raise ConfigError(
                f"{first} and {method} were tried on different problems ({len(others)} and "
                f"{len(own)}, {len(set(own) & set(others))} in common): compare runs of the same "
                "problems"
            )


def compare(
    groups: Sequence[Group], config: ComparisonConfig, names: Mapping[str, str] | None = None
) -> tuple[list[Comparisons], list[PooledComparison]]:
    """Compare every two methods of each group, and pooled over the groups.

    The primary comparisons of all groups and the pooled ones are one family, the others another.

    Args:
        groups: the methods of each data set.
        config: the planned comparisons.
        names: the name of each method without that of its data set; None pools nothing.
    """
    pairs = {(n, *pair): primary for n, group in enumerate(groups)
             for pair, primary in group.pairs().items()}  # fmt: skip
    looks = {key: _looks(groups[key[0]], key[1:], config) for key in pairs}
    pooled = {} if names is None else _pooled(groups, looks, names)
    planned = {(names[a], names[b]) for (_, a, b), own in pairs.items() if own} if names else set()
    made: dict[tuple[int, str, str], PairwiseResult] = {}
    together, sizes = [], []
    for primary in (True, False):
        own = {key: looks[key] for key in pairs if pairs[key] == primary and looks[key]}
        both = {key: found for key, found in pooled.items()
                if bool({key, key[::-1]} & planned) == primary}  # fmt: skip
        family: dict[Any, Mapping[int, Tested]] = {**own, **{k: f[1] for k, f in both.items()}}
        decisions = decide(family, margin=config.margin / 100, interim=config.until_decided)
        sizes.append(len(family))
        for key, at in own.items():
            made[key] = _compared(
                groups[key[0]], key[1:], at, decisions[key], config, primary, len(family)
            )
        together += [
            PooledComparison(
                first=key[0], second=key[1], primary=primary, by_domain=latest, pooled=at[max(at)],
                decision=decisions[key], level=_level(at, config),
            )
            for key, (latest, at) in both.items()
        ]  # fmt: skip
        made |= _models(groups, [k for k in pairs if pairs[k] == primary and not looks[k]], primary)
    return [
        _of_group(group, [made[key] for key in pairs if key[0] == n], (sizes[0], sizes[1]), config)
        for n, group in enumerate(groups)
    ], together


def _pooled(
    groups: Sequence[Group], looks: Mapping[tuple[int, str, str], BySeeds], names: Mapping[str, str]
) -> dict[Pair, tuple[dict[str, Estimate], dict[int, Pooled]]]:
    by_domain = [
        (group.domain, {key[1:]: own for key, own in looks.items() if key[0] == n and own})
        for n, group in enumerate(groups)
    ]
    return pooled_estimates(by_domain, names)


def _looks(group: Group, pair: Pair, config: ComparisonConfig) -> BySeeds:
    """Return the difference by the seeds of the analyses; empty where they are too few."""
    a, b = (group.tables[name] for name in pair)
    seeds = group.design.seeds
    if seeds < MIN_SEEDS:
        return {}
    analyses = analyses_at(seeds) if config.until_decided else (seeds,)
    return {n: difference(a[:n], b[:n]) for n in analyses}


def _level(looks: Mapping[int, Any], config: ComparisonConfig) -> float:
    """Return the level of an interval at the latest of the analyses."""
    return 1 - bounds(1 - LEVEL, tuple(looks))[-1] if config.until_decided else LEVEL


def _compared(
    group: Group, pair: Pair, looks: BySeeds, decision: Decision, config: ComparisonConfig,
    primary: bool, comparisons: int,
) -> PairwiseResult:  # fmt: skip
    undecided, margin = decision.verdict == "undecided", config.margin / 100
    estimate = looks[max(looks)]
    return PairwiseResult(
        first=pair[0], second=pair[1], estimate=estimate, primary=primary,
        verdict=decision.verdict, p=decision.p, equivalence_p=decision.equivalence_p,
        level=_level(looks, config),
        edge=_edge(group, pair, margin) if decision.verdict == "equivalent" else "",
        needed=needed(estimate, group.design, margin, comparisons) if undecided else (),
    )  # fmt: skip


def _edge(group: Group, pair: Pair, margin: float) -> str:
    """Return where both methods of a pair are, if there is no room below or above them."""
    means = [float(group.tables[name].mean()) for name in pair]
    floor, ceiling = (group.tables.get(name) for name in (group.floor, group.ceiling))
    low = 0.0 if floor is None else float(floor.mean())
    high = 1.0 if ceiling is None else float(ceiling.mean())
    if max(means) <= low + margin:
        return "floor"
    return "ceiling" if min(means) >= high - margin else ""


def _models(
    groups: Sequence[Group], pairs: Sequence[tuple[int, str, str]], primary: bool
) -> dict[tuple[int, str, str], PairwiseResult]:
    """Return pairs with too few seeds; of one seed with McNemar's exact p of the two models."""
    tables = {key: [groups[key[0]].tables[name] for name in key[1:]] for key in pairs}
    exact = {
        key: mcnemar(int((a > b).sum()), int((a < b).sum()))
        for key, (a, b) in tables.items()
        if groups[key[0]].design.seeds == 1 and np.isin(np.stack([a, b]), (0.0, 1.0)).all()
    }
    corrected = dict(zip(exact, holm(list(exact.values())), strict=True))
    return {
        key: PairwiseResult(first=key[1], second=key[2], estimate=difference(a, b),
                            primary=primary, verdict=NOT_COMPARED, p=corrected.get(key))
        for key, (a, b) in tables.items()
    }  # fmt: skip


def _of_group(
    group: Group,
    pairs: Sequence[PairwiseResult],
    families: tuple[int, int],
    config: ComparisonConfig,
) -> Comparisons:
    seeds = group.design.seeds
    separates = None
    if {group.floor, group.ceiling} <= set(group.tables):
        ceiling, floor = group.tables[group.ceiling], group.tables[group.floor]
        if ceiling.mean() <= floor.mean():
            separates = False  # whatever the number of seeds
        elif pairs and seeds >= MIN_SEEDS:
            separates = float(difference(ceiling, floor).p()) <= 1 - LEVEL
    return Comparisons(
        pairs=tuple(pairs), design=group.design, families=families, margin=config.margin,
        planned=group.planned, analyses=analyses_at(seeds) if config.until_decided else (),
        missing=group.missing, separates=separates, domain=group.domain,
    )  # fmt: skip
