"""`python -m studies.run --study NAME`: tune a method on development problems, test it once.

What is wrong with the input is one line and exit code 2; a machine that cannot go on is one line
and exit code 1, which is also a study's whose result failed, as for `python -m benchmarks.run`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.cli.options import ALLOW_UNSANDBOXED
from benchmarks.common.fields import ConfigError, update
from benchmarks.common.process import prepare_process
from benchmarks.config.run_config import read_config_file
from studies.config import PruneBy, PrunerName, SamplerName, StudyConfig
from studies.objective import OBJECTIVES
from studies.presets import STUDIES, load_study

PROGRAM = "python -m studies.run"
_FIELDS = (
    "method", "trials", "sampler", "pruner", "prune_by", "storage", "cells", "seed", "choose"
)  # fmt: skip
"""Options that are fields of a study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCommand:
    """One invocation.

    Attributes:
        config: the study.
        test: whether the best setting is run on the test problems.
        json: file that the result's report is also written to.
        plain: lines in place of the live display.
    """

    config: StudyConfig
    test: bool
    json: Path | None
    plain: bool


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("studies.run", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    command = read_command(arguments)
    from studies.loop import execute  # after --help and after wrong options

    outcome = execute(
        command.config, plain=command.plain, test=command.test, json_path=command.json
    )
    return 1 if outcome.report is not None and outcome.report.failed else 0


def read_command(arguments: Sequence[str]) -> StudyCommand:
    """Return what the arguments ask for.

    Raises:
        ConfigError: an option, a file, a key or a value is wrong.
    """
    given = make_parser().parse_args(arguments)
    return StudyCommand(
        config=configured(given),
        test=given.test,
        json=_json_path(given.json),
        plain=given.plain,
    )


def configured(given: argparse.Namespace) -> StudyConfig:
    """Return the named study with what was given; options that a parser lacks are left alone.

    Raises:
        ConfigError: an option, a file, a key or a value is wrong.
    """
    config = load_study(given.study)
    for path in given.config:
        config = under(config, read_config_file(path))
    if getattr(given, "allow_unsandboxed", False):
        config = under(config, ALLOW_UNSANDBOXED)
    if given.output is not None:
        config = under(config, {"output": str(given.output)})
    chosen = {name: getattr(given, name, None) for name in _FIELDS}
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if given.objective is not None:
        names = given.objective.split(",")
        changes |= {"objective": names[0], "also": tuple(names[1:])}
    if changes.get("sampler", config.sampler) != "grid":
        changes["grid"] = {}
    return replace(config, **changes)


def _json_path(path: Path | None) -> Path | None:
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ConfigError(f"--json {path}: give a file in a directory that exists")
    return path


def under(config: StudyConfig, values: Mapping[str, Any]) -> StudyConfig:
    """Return the study with fields of a run set, for trials and result alike.

    Seeds are the trials': those of the result are fresh. Each keeps its split.

    Raises:
        ConfigError: a field or a value is wrong.
    """
    shared = {name: value for name, value in values.items() if name != "seeds"}
    run, final = update(config.run, values), update(config.final, shared)
    return replace(
        config,
        run=replace(run, evaluate=replace(run.evaluate, split="development")),
        final=replace(final, evaluate=replace(final.evaluate, split="test")),
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = Parser(
        prog=PROGRAM,
        description="Tune a method on development problems, then test the best setting once.",
        epilog="A killed study continues when the same command is given again; the same command "
        "in several processes, on several machines, shares the trials of one study.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--study", metavar="NAME", required=True, help=", ".join(STUDIES))
    add("--method", metavar="NAME", help="tune another method, under the same conditions")
    add(
        "--objective",
        metavar="NAME",
        help="improve something else: "
        + ", ".join(OBJECTIVES)
        + "; two with a comma between them make a front",
    )
    add(
        "--choose",
        metavar="N",
        type=int,
        help="test this trial of the front, not its best by the first objective",
    )
    add("--trials", metavar="N", type=int, help="finished trials in all, over all processes")
    add("--sampler", metavar="NAME", help=", ".join(get_args(SamplerName)))
    add("--pruner", metavar="NAME", help=", ".join(get_args(PrunerName)))
    add("--prune-by", metavar="WHAT", help=", ".join(get_args(PruneBy)))
    add("--storage", metavar="URL", help="database URL, or path of a journal file "
        "(default: studies.db in the output directory)")  # fmt: skip
    add(
        "--cells",
        metavar="DIR",
        type=Path,
        help="folder of small files, one a trial, that can be "
        "committed: trials that are there are not run again, here or on any other machine",
    )
    add("--seed", metavar="N", type=int, help="of the sampler")
    add(
        "--config",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="YAML file of `benchmarks.run`'s fields, for trials and result; may be repeated",
    )
    add("--output", metavar="DIR", type=Path, help="directory of all stored stages")
    add("--trials-only", dest="test", action="store_false", help="leave the test problems alone")
    add("--json", metavar="FILE", type=Path, help="also write the result's table as JSON")
    add("--allow-unsandboxed", action="store_true", help="run programs without bubblewrap where it "
        "is missing: they can then do what you can")  # fmt: skip
    add("--plain", action="store_true", help="lines in place of the live display")
    return parser


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
