"""Several runs in one report: whether they can be compared, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError, flatten
from benchmarks.report.comparisons import Comparisons, Group, compare, group
from benchmarks.report.method_rows import MethodRow
from benchmarks.report.pooled import PooledComparison

if TYPE_CHECKING:
    from benchmarks.config.comparison_config import ComparisonConfig
    from benchmarks.report.stored import StoredRun

_DOMAIN = ("suite", "variant")
_DATASET = ("split", "suite_digest")
_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "python")
_ROWS = ("methods", "method_options", "seeds")  # these select rows; runs may differ in them
_LABEL_PARTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRuns:
    """The runs of a report.

    Attributes:
        runs: labelled if there are several.
        differences: why they cannot be compared, one line each; only with `force`.
    """

    runs: tuple[StoredRun, ...]
    differences: tuple[str, ...] = ()

    def method_rows(self) -> list[MethodRow]:
        """Return one row per method and run."""
        return [row for run in self.runs for row in run.method_rows()]

    @property
    def config(self) -> ComparisonConfig:
        """The planned comparisons of the first run, with the smallest margin of all runs."""
        own = [run.compare for run in self.runs]
        return replace(own[0], margin=min(one.margin for one in own))

    def groups(self) -> list[Group]:
        """Return the methods that can be compared: of each domain, or of each run.

        Raises:
            ConfigError: runs of one domain do not have the same problems.
        """
        by_domain: dict[Any, list[StoredRun]] = {}
        for run in self.runs:
            key = run.name if self.differences else _domain(run)
            by_domain.setdefault(key, []).append(run)
        named = len(by_domain) > 1
        return [
            group(
                [row for run in runs for row in run.shown_rows()], [run.names for run in runs],
                runs[0].compare, domain=_domain_words(runs[0]) if named else "",
            )
            for runs in by_domain.values()
        ]  # fmt: skip

    def comparisons(self) -> list[Comparisons]:
        """Return the comparisons of all methods of each group; all groups form one family."""
        return self._compare()[0]

    def pooled(self) -> list[PooledComparison]:
        """Return the comparisons pooled over domains; none if there is only one domain."""
        return self._compare()[1]

    def _compare(self) -> tuple[list[Comparisons], list[PooledComparison]]:
        return compare(self.groups(), self.config, self.pooled_names)

    @property
    def pooled_names(self) -> dict[str, str] | None:
        """The name of each method without that of its domain; None if nothing is pooled."""
        if self.differences or len({_domain(run) for run in self.runs}) < len(self.runs):
            return None
        return {shown: method for run in self.runs for method, shown in run.names.items()}


def combine(runs: Sequence[StoredRun], *, force: bool = False) -> ComparedRuns:
    """Put runs side by side.

    Args:
        runs: at least one, each once.
        force: show runs that differ, with the differences, instead of refusing them.

    Raises:
        ConfigError: a run is given twice, runs differ in model or versions, or runs of one domain
            differ in data or planned comparisons.
    """
    names = [run.name for run in runs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"runs repeat {', '.join(repeated)}: give each once")
    pairs = [(_alike(runs[:n], run), run) for n, run in enumerate(runs) if n]
    differences = tuple(line for first, run in pairs for line in _differences(first, run))
    if differences and not force:
        raise ConfigError(
            f"runs that differ are not compared: {'; '.join(differences)}. Give runs of one "
            "dataset and version, or --force for a report that lists the differences"
        )
    return ComparedRuns(runs=_labelled(runs), differences=differences)


def _alike(earlier: Sequence[StoredRun], run: StoredRun) -> StoredRun:
    """Return the first earlier run, preferring those of the same domain."""
    return next((one for one in earlier if _domain(one) == _domain(run)), earlier[0])


def _differences(first: StoredRun, second: StoredRun) -> list[str]:
    one, other = _shared(first), _shared(second)
    if _domain(first) == _domain(second):
        one, other = one | _conditions(first), other | _conditions(second)
    return [
        f"{name} is {_short(one[name])} in {first.name} and {_short(other[name])} in {second.name}"
        for name in one
        if name in other and one[name] != other[name]  # releases have different fields
    ]


def _domain(run: StoredRun) -> tuple[str, ...]:
    return tuple(str(run.invocation.about[name]) for name in _DOMAIN)


def _domain_words(run: StoredRun) -> str:
    suite, variant = _domain(run)
    return variant or suite


def _shared(run: StoredRun) -> dict[str, Any]:
    """Return the values that must be equal in all runs of a report: model and versions."""
    about, versions = run.invocation.about, run.invocation.versions
    libraries = {f"{name} version": versions.get(f"version.{name}", "") for name in _LIBRARIES}
    return {"model_digest": about["model_digest"], **libraries}


def _conditions(run: StoredRun) -> dict[str, Any]:
    """Return the values that must be equal to compare Pass@1: data and evaluation."""
    about, config = run.invocation.about, run.invocation.config
    return {
        **{name: about[name] for name in _DATASET},
        **flatten(config["evaluate"], "evaluate."),
        **flatten(config.get("compare", {}), "compare."),
        "evaluation code": sorted({s.code for s in run.stages if s.name == "evaluate"}),
    }


def _short(value: Any) -> str:
    """Return a value as words; digests are shortened."""
    if isinstance(value, list):
        return " and ".join(map(_short, value)) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text or "none"


def _labelled(runs: Sequence[StoredRun]) -> tuple[StoredRun, ...]:
    """Label runs by the settings in which they differ if these are few, else by their hash."""
    if len(runs) == 1:
        return tuple(runs)
    configs = [run.invocation.config for run in runs]
    labels = (
        _domain_labels(runs)
        or _labels([_settings(config) for config in configs])
        or _labels([flatten(config["method_options"]) for config in configs])
        or [run.name.rpartition("-")[2] for run in runs]
    )
    return tuple(replace(run, label=label) for run, label in zip(runs, labels, strict=True))


def _domain_labels(runs: Sequence[StoredRun]) -> list[str]:
    """Return a label for the domain of each run; none if two runs have the same domain."""
    parts = [dict.fromkeys((suite, *variant.split(", "))) for suite, variant in map(_domain, runs)]
    shared = set(parts[0]).intersection(*parts[1:])
    labels = [", ".join(part for part in own if part and part not in shared) for own in parts]
    return labels if all(labels) and len(set(labels)) == len(labels) else []


def _labels(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the differing settings of each run; none if they are too many or not unique."""
    keys = sorted({key for one in settings for key in one})
    telling = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    labels = [", ".join(f"{key} {one.get(key, 'none')}" for key in telling) for one in settings]
    whole = 0 < len(telling) <= _LABEL_PARTS and len(set(labels)) == len(labels)
    return labels if whole else []


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    return flatten({name: value for name, value in config.items() if name not in _ROWS})
