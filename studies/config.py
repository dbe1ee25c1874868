"""The config of a study, validated when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from benchmarks.common.fields import ConfigError, closest
from benchmarks.config.run_config import RunConfig
from studies.objective import OBJECTIVES, Objective
from studies.spaces import Space

SamplerName = Literal["tpe", "gp", "random", "grid"]
PrunerName = Literal["none", "median", "percentile", "halving"]
PruneBy = Literal["held-out-loss", "seeds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """A study: settings of a method, tried on development problems; the best one is then tested.

    Attributes:
        name: of the study; with the method's name it is its name in the storage.
        spaces: search space by method, for the methods that the study can tune.
        method: the tuned method.
        run: the config of every trial; the value of a trial is the mean over its seeds.
        final: the config of the result, on test problems, with seeds that no trial used.
        objective: name of the objective.
        also: names of further objectives: the study then has a Pareto front, and the best of it by
            `objective` is chosen.
        measures: names of further measures, which do not affect the choice.
        varies: shared settings that its space may change: "references" (their number).
        trials: number of finished trials over all processes, the same for every method.
        sampler: "tpe", "gp", "random", or "grid", which tries the points of `grid` in turn.
        grid: parameter name to its values, for sampler "grid".
        pruner: "none", or stop trials that are worse than the "median" of other trials at the same
            point, than their best quarter ("percentile"), or, at points 1, 2, 4, 8, ..., than the
            better half of the trials that got as far ("halving").
        prune_by: the compared value: "held-out-loss" of the first seed's fit, or "seeds", the
            objective over the seeds so far, after each seed except the last.
        seed: of the sampler.
        choose: number of a trial of the front to test; default: the best by `objective`.
        storage: database URL or path of a journal file; None is a database in `output`.
        cells: folder for one small file per finished trial, to be committed; trials that are there
            are not run again.
    """

    name: str
    spaces: Mapping[str, Space]
    method: str
    run: RunConfig
    final: RunConfig
    objective: str = "pass@1"
    also: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    varies: tuple[str, ...] = ()
    trials: int = 20
    sampler: SamplerName = "tpe"
    grid: Mapping[str, Sequence[bool | int | float | str]] = field(default_factory=dict)
    pruner: PrunerName = "none"
    prune_by: PruneBy = "held-out-loss"
    seed: int = 0
    choose: int | None = None
    storage: str | None = None
    cells: Path | None = None

    def __post_init__(self) -> None:
        """Refuse unknown names, and test seeds that trials also use."""
        _require_known("method", self.method, self.spaces)
        for name in (self.objective, *self.also, *self.measures):
            _require_known("objective", name, OBJECTIVES)
        for name in self.varies:
            _require_known("varies", name, ("references",))
        _require_known("sampler", self.sampler, get_args(SamplerName))
        _require_known("pruner", self.pruner, get_args(PrunerName))
        _require_known("prune_by", self.prune_by, get_args(PruneBy))
        if self.trials < 1:
            raise ConfigError(f"trials is {self.trials}: give at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}: give at least 0")
        if (self.sampler == "grid") != bool(self.grid):
            raise ConfigError(
                f"sampler is {self.sampler!r} and grid has {len(self.grid)} parameters: only the "
                "sampler 'grid' uses a grid, and it needs one"
            )
        self._check_objectives()
        self._check_runs()

    @property
    def full_name(self) -> str:
        """The study's name in the storage; each method has its own study."""
        return f"{self.name}.{self.method}"

    @property
    def report_folder(self) -> Path:
        """The folder of the study's page, tables and figures."""
        return self.run.output / "studies" / self.full_name

    @property
    def aim(self) -> Objective:
        """The objective."""
        return OBJECTIVES[self.objective]

    @property
    def aims(self) -> dict[str, Objective]:
        """All objectives by name; the first one decides the choice."""
        return {name: OBJECTIVES[name] for name in (self.objective, *self.also)}

    @property
    def measured(self) -> dict[str, Objective]:
        """Objectives and measures by name, each once."""
        return {name: OBJECTIVES[name] for name in (*self.aims, *self.measures)}

    @property
    def scores(self) -> bool:
        """Whether a trial runs the complete pipeline."""
        return any(one.scores for one in self.measured.values())

    @property
    def space(self) -> Space:
        """The search space of the method."""
        return self.spaces[self.method]

    @property
    def points(self) -> int:
        """Number of points of the grid; 1 without a grid."""
        return math.prod(map(len, self.grid.values()))

    def of_method(self, run: RunConfig) -> RunConfig:
        """Return the run with only the tuned method."""
        return replace(run, methods=(self.method,))

    def _check_objectives(self) -> None:
        if len(self.aims) <= len(self.also):
            raise ConfigError(
                f"objective repeats one of {', '.join((self.objective, *self.also))}: give each "
                "once"
            )
        if self.also and self.pruner != "none":
            raise ConfigError(
                f"pruner is {self.pruner!r} with {len(self.aims)} objectives: pruning "
                "needs a single objective: give pruner none"
            )
        if self.pruner != "none" and self.prune_by == "seeds" and len(self.run.seeds) < 2:
            raise ConfigError(
                f"prune_by is 'seeds', but run.seeds has {len(self.run.seeds)}: pruning needs at "
                "least two: give more seeds, or prune_by held-out-loss"
            )

    def _check_runs(self) -> None:
        if self.run.evaluate.split != "development":
            raise ConfigError(
                f"run.evaluate.split is {self.run.evaluate.split!r}: trials are scored on "
                "development problems only: give development"
            )
        if self.final.evaluate.split != "test":
            raise ConfigError(
                f"final.evaluate.split is {self.final.evaluate.split!r}: the result is measured "
                "on test problems: give test"
            )
        shared = sorted(set(self.run.seeds) & set(self.final.seeds))
        if shared:
            raise ConfigError(
                f"final.seeds shares {', '.join(map(str, shared))} with run.seeds: the result "
                "needs seeds that no trial used: give others"
            )


def _require_known(name: str, value: str, known: Iterable[str]) -> None:
    known = list(known)
    if value not in known:
        hint = closest(value, known)
        raise ConfigError(f"{name}: unknown {value!r}{hint}; known: {', '.join(known)}")
