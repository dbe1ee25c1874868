"""Several runs in one report: whether they may be compared, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError, flatten
from benchmarks.report.comparisons import Comparisons
from benchmarks.report.rows import MethodRow
from benchmarks.report.stored import compare_rows

if TYPE_CHECKING:
    from benchmarks.report.stored import StoredRun

_DATASET = ("suite", "variant", "split", "suite_digest", "model_digest")
_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "python")
_ROWS = ("methods", "method_options", "seeds")  # what rows are there, not what runs share
_LABEL_PARTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """The runs of a report.

    Attributes:
        runs: labelled where there are several.
        differences: why they may not be compared, a line each; only where that was overridden.
    """

    runs: tuple[StoredRun, ...]
    differences: tuple[str, ...] = ()

    def method_rows(self) -> list[MethodRow]:
        """Return a row for each method of each run."""
        return [row for run in self.runs for row in run.method_rows()]

    def comparisons(self) -> list[Comparisons]:
        """Return the comparisons of all methods; of each run alone where runs are not alike."""
        groups = [run.shown_rows() for run in self.runs]
        if not self.differences:
            groups = [[row for group in groups for row in group]]
        return [found for found in map(compare_rows, groups) if found is not None]


def together(runs: Sequence[StoredRun], *, force: bool = False) -> Together:
    """Put runs side by side.

    Args:
        runs: at least one, each once.
        force: show runs that differ, with the differences, in place of refusing them.

    Raises:
        ConfigError: a run is given twice, or runs differ in their dataset or versions.
    """
    names = [run.name for run in runs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"runs repeat {', '.join(repeated)}: give each once")
    differences = tuple(line for run in runs[1:] for line in _differences(runs[0], run))
    if differences and not force:
        raise ConfigError(
            f"runs that differ are not compared: {'; '.join(differences)}. Give runs of one "
            "dataset and version, or --force for a report that says what differs"
        )
    return Together(runs=_labelled(runs), differences=differences)


def _differences(first: StoredRun, second: StoredRun) -> list[str]:
    one, other = _conditions(first), _conditions(second)
    return [
        f"{name} is {_short(one[name])} in {first.name} and {_short(other[name])} in {second.name}"
        for name in one
        if one[name] != other[name]
    ]


def _conditions(run: StoredRun) -> dict[str, Any]:
    """Return all that must be equal where Pass@1 is compared: data, model, evaluation, versions."""
    about, config, versions = run.invocation.about, run.invocation.config, run.invocation.versions
    return {
        **{name: about[name] for name in _DATASET},
        **flatten(config["evaluate"], "evaluate."),
        "evaluation code": sorted({s.code for s in run.stages if s.name == "evaluate"}),
        **{f"{name} version": versions.get(f"version.{name}", "") for name in _LIBRARIES},
    }


def _short(value: Any) -> str:
    """Return a value as words; of digests, the beginning."""
    if isinstance(value, list):
        return " and ".join(map(_short, value)) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text or "none"


def _labelled(runs: Sequence[StoredRun]) -> tuple[StoredRun, ...]:
    """Name runs by the few settings in which they differ, else by their hash."""
    if len(runs) == 1:
        return tuple(runs)
    configs = [run.invocation.config for run in runs]
    labels = (
        _labels([_settings(config) for config in configs])
        or _labels([flatten(config["method_options"]) for config in configs])
        or [run.name.rpartition("-")[2] for run in runs]
    )
    return tuple(replace(run, label=label) for run, label in zip(runs, labels, strict=True))


def _labels(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what differs, for each run; nothing where that is too much or tells none apart."""
    keys = sorted({key for one in settings for key in one})
    telling = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    labels = [", ".join(f"{key} {one.get(key, 'none')}" for key in telling) for one in settings]
    whole = 0 < len(telling) <= _LABEL_PARTS and len(set(labels)) == len(labels)
    return labels if whole else []


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    return flatten({name: value for name, value in config.items() if name not in _ROWS})
