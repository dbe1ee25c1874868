"""A run's evaluated programs as a file for the official tools, and what that file belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.files import write_atomically
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.reading import read_json
from benchmarks.suites.samples import format_samples
from domino.records import Problem, Program


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What samples belong to: suite, digest of its data file, and the problems they answer."""

    suite: str
    dataset_sha256: str
    task_ids: tuple[str, ...]


def export_samples(
    folder: Path, suite: Suite, problems: Sequence[Problem], programs: Sequence[Program]
) -> Path:
    """Write the samples and the data that they belong to; return the samples' path."""
    folder.mkdir(exist_ok=True)
    name, text = format_samples(suite.sample_format, programs)
    about = {
        "suite": suite.name,
        "dataset_sha256": suite.digest,
        "task_ids": [problem.id for problem in problems],
    }
    write_atomically(about_path(folder / name), json.dumps(about, indent=1) + "\n")
    write_atomically(folder / name, text)
    return folder / name


def about_path(samples: Path) -> Path:
    """Return where the description of a file of samples lies."""
    return samples.with_name(f"{samples.name}.about.json")


def read_about(samples: Path) -> About | None:
    """Return the data that the samples belong to; None if it was not written.

    Raises:
        SuiteError: it cannot be read.
    """
    path = about_path(samples)
    if not path.is_file():
        return None
    try:
        about = read_json(path)
        return About(
            suite=str(about["suite"]),
            dataset_sha256=str(about["dataset_sha256"]),
            task_ids=tuple(map(str, about["task_ids"])),
        )
    except (SuiteError, LookupError, TypeError) as error:
        raise SuiteError(
            f"{path} does not say what the samples belong to ({type(error).__name__}: {error}): "
            "remove it to score them without"
        ) from error


def problems_of(suite: Suite, about: About | None) -> tuple[Problem, ...]:
    """Return the problems that samples are scored on: those of their run, or all of the suite's.

    Raises:
        SuiteError: the samples belong to another suite or to another version of its data.
    """
    if about is None:
        return suite.everything()
    if about.suite != suite.name:
        raise SuiteError(
            f"the samples belong to suite {about.suite!r}, got {suite.name!r}: give --suite "
            f"{about.suite}"
        )
    if about.dataset_sha256 != suite.digest:
        raise SuiteError(
            f"the samples were made for a data set with sha256 {about.dataset_sha256}, got "
            f"{suite.digest}: give the run's own data set with --dataset"
        )
    known = {problem.id: problem for problem in suite.everything()}
    other = [key for key in about.task_ids if key not in known]
    if other:
        raise SuiteError(
            f"{len(other)} problems of the samples are not test problems of {suite.name}, the "
            f"first is {other[0]!r}: only test problems are scored"
        )
    return tuple(known[key] for key in about.task_ids)
