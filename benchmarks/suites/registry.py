"""Suites by name: an explicit map, and the loading of the one that is asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.common.fields import closest
from benchmarks.suites.base import SuiteError

if TYPE_CHECKING:
    from benchmarks.suites.base import Suite

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "housestyle": "benchmarks.suites.housestyle.suite:load",
        "housestyle-conventions": "benchmarks.suites.housestyle.suite:load_conventions",
        "livecodebench": "benchmarks.suites.livecodebench.generation:load",
        "cruxeval": "benchmarks.suites.livecodebench.execution:load_cruxeval",
        "livecodebench-execution": "benchmarks.suites.livecodebench.execution:load",
        "bigcodebench": "benchmarks.suites.bigcodebench.suite:load",
        "bigcodebench-hard": "benchmarks.suites.bigcodebench.suite:load_hard",
        "humaneval+": "benchmarks.suites.evalplus:load_humaneval",
        "mbpp+": "benchmarks.suites.evalplus:load_mbpp",
        "own": "benchmarks.suites.own.suite:load",
    }
)
"""Suite name to "module:function"; a module is imported when its suite is first loaded."""

_PLUG_IN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

GENERATED = frozenset({"housestyle", "housestyle-conventions"})
"""Suites that read no file: their problems depend on their code and options alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteOptions:
    """A suite's data and split; each suite uses some of these options.

    Attributes:
        domain: one of the suite's named domains.
        track: one of the suite's tracks.
        coherence: how the backbone of the track dialects was pre-trained: weak, coherent, or the
            number that `--model` was made with.
        dataset: file of the problems, for suites whose data is not included.
        references_path: file of the references, one JSON object per line.
        cutoff: first day of the test (2024-08-01), for data with dates.
        split_seed: seed of the split into references and test problems, for data without dates.
        folds: number of parts into which the problems are divided by seed.
        fold: the part that is the test, from 0; the other parts are references.
        prompt: the suite's prompt: complete or instruct.
        task_ids: file with the ids of the tasks to use, one per line.
        environment: virtual environment with the libraries that programs need.
        protocol: official prompts as the benchmark's tool does (prompt, prefill, stop strings,
            maximum number of new tokens); plain uses this project's own prompt.
        extraction: official extracts programs from responses as the benchmark's tool does; lenient
            as a reader would (thoughts, indented and several blocks); default: official if the
            protocol is official.
        fields: names of columns in the suite's own files, as
            instruction=question,canonical_solution=answer.
    """

    domain: str | None = None
    track: str | None = None
    coherence: str | None = None
    dataset: Path | None = None
    references_path: Path | None = None
    cutoff: str | None = None
    split_seed: int = 0
    folds: int | None = None
    fold: int = 0
    prompt: str | None = None
    task_ids: Path | None = None
    environment: Path | None = None
    protocol: str | None = None
    extraction: str | None = None
    fields: str | None = None


def refuse_options(name: str, options: SuiteOptions, known: Collection[str]) -> None:
    """Refuse options that a suite would ignore.

    Raises:
        SuiteError: the suite does not have a given option.
    """
    for field in fields(options):
        given = getattr(options, field.name)
        if field.name not in known and given != field.default:
            raise SuiteError(f"{name} has no option {field.name}, got {str(given)!r}: remove it")


def suite_module(name: str) -> str:
    """Return the module that a suite is loaded from.

    Raises:
        SuiteError: no suite has this name.
    """
    return _entry(name)[0]


def load_suite(name: str, options: SuiteOptions) -> Suite:
    """Return the suite of this name.

    Raises:
        SuiteError: no suite has this name, it has not one of the options, or its data cannot be
            read.
    """
    module, function = _entry(name)
    _require_files(options)
    if is_plug_in_suite(name):
        return _plug_in(name, module, function, options)
    suite: Suite = getattr(importlib.import_module(module), function)(options)
    return suite


def is_plug_in_suite(name: str) -> bool:
    """Whether a name has the form "package.module:function" and is none of the map's."""
    return name not in SUITES and _PLUG_IN.fullmatch(name) is not None


def _plug_in(name: str, module: str, function: str, options: SuiteOptions) -> Suite:
    from benchmarks.suites.base import Suite

    try:
        loaded = importlib.import_module(module)
    except (ImportError, SyntaxError) as error:
        raise SuiteError(
            f"suite {name!r}: module {module!r} cannot be imported ({error}): start from the "
            "directory that holds it, or install its package"
        ) from error
    make = getattr(loaded, function, None)
    if not callable(make):
        names = [key for key, value in vars(loaded).items() if callable(value)]
        raise SuiteError(
            f"suite {name!r}: module {module!r} has no function {function!r}"
            f"{closest(function, names)}; its file is {loaded.__file__}"
        )
    try:
        suite = make(options)
    except SuiteError:
        raise
    except Exception as error:  # whatever a plug-in raises is the user's to see
        text = " ".join(str(error).split())
        raise SuiteError(
            f"suite {name!r}: {function} fails ({type(error).__name__}: {text}): it is called with "
            "the suite's options"
        ) from error
    if not isinstance(suite, Suite):
        raise SuiteError(
            f"suite {name!r}: {function} returned a {type(suite).__name__}: return a "
            "benchmarks.suites.base.Suite"
        )
    return suite


def _require_files(options: SuiteOptions) -> None:
    for name in ("dataset", "references_path", "task_ids"):
        path: Path | None = getattr(options, name)
        if path is not None and not path.exists():
            raise SuiteError(
                f"suite_options.{name} is {path}: No such file or directory; give the path of a "
                "file that is there, as seen from this directory"
            )


def _entry(name: str) -> tuple[str, str]:
    if name not in SUITES and not is_plug_in_suite(name):
        known = ", ".join(SUITES)
        raise SuiteError(
            f"no suite is named {name!r}{closest(name, SUITES)}; known are {known}, and "
            "package.module:function"
        )
    module, _, function = SUITES.get(name, name).partition(":")
    return module, function
