"""`python -m benchmarks.evaluate`: scores existing generations, in the official tools' formats."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import closest
from benchmarks.common.words import counting
from benchmarks.evaluator.check import check
from benchmarks.evaluator.verdicts import CheckingError
from benchmarks.report.score_table import Scored, document, table
from benchmarks.sandbox import (
    NoSandboxError,
    SandboxConfig,
    SandboxConfigError,
    SandboxError,
    UnsandboxedWarning,
)
from benchmarks.sandbox.interpreter import refuse_in_sight
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.export import problems_of, read_about
from benchmarks.suites.registry import (
    GENERATED,
    SUITES,
    SuiteOptions,
    is_plug_in_suite,
    load_suite,
)
from benchmarks.suites.samples import read_samples
from domino.records import Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Score samples, print the table, and return the exit code."""
    return exit_code("benchmarks.evaluate", lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    """Do the work of `main`.

    What is wrong with the input is one line and 2; a machine that cannot go on is one line and 1;
    1 too where part of the samples could not be read, and the rest was scored.
    """
    options = _parser().parse_args(arguments)
    try:
        scored = _scored(options)
        if options.json is not None:
            text = json.dumps(document(scored), indent=1)
            options.json.write_text(text + "\n", encoding="utf-8")
    except (SuiteError, SandboxConfigError, NoSandboxError, CheckingError) as error:
        return _say(error, 2)
    except BrokenPipeError:
        raise
    except (SandboxError, OSError) as error:
        return _say(error, 1)
    for message in scored.samples.broken:
        _say(message, 1)
    sys.stdout.write(table(scored))
    return 0 if scored.complete else 1


def _say(message: Exception | str, code: int) -> int:
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
    return code


def _scored(options: argparse.Namespace) -> Scored:
    config = _config(options)
    _check_json(options.json)
    suite = load_suite(
        options.suite,
        SuiteOptions(
            dataset=options.dataset,
            cutoff=options.cutoff,
            task_ids=options.task_ids,
            environment=options.environment,
        ),
    )
    config = suite.limits(config)
    given = (options.dataset, options.samples, options.json, options.task_ids)
    refuse_in_sight(config.interpreter, filter(None, given))
    problems = _problems(options, suite)
    samples = read_samples(options.samples, problems)
    programs = [p for p in samples.programs if p.problem_id not in suite.unjudged]
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("always", UnsandboxedWarning)
        warnings.showwarning = _show_warning
        report = check(
            problems, programs, config, on_done=counting(len(programs), "programs checked")
        )
    whole = len(problems) == len(suite.everything())
    return Scored(
        suite=options.suite,
        variant="" if whole else f"of {len(suite.everything())} in the data set",
        tests=suite.test_names,
        unjudged={p.id: suite.unjudged[p.id] for p in problems if p.id in suite.unjudged},
        labels={p.id: suite.labels(p) for p in problems},
        digest=suite.digest,
        samples=samples,
        report=report,
        seconds=time.monotonic() - started,
    )


def _problems(options: argparse.Namespace, suite: Suite) -> tuple[Problem, ...]:
    """Return the problems of the run that the samples are of, those from the cut-off on, or all."""
    if options.cutoff is not None:
        return suite.problems("test")
    return problems_of(suite, read_about(options.samples))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.evaluate", description=__doc__)
    parser.add_argument(
        "--suite",
        required=True,
        type=_suite_name,
        help=f"{', '.join(_FILE_SUITES)}, or package.module:function",
    )
    parser.add_argument(
        "--dataset", type=Path, help="the published data file; without it, it is downloaded"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        required=True,
        help="EvalPlus's or BigCodeBench's lines (task_id, solution|completion) or LiveCodeBench's "
        "list (question_id, code_list), .gz or not; a run's are in its evaluate stage, in export/",
    )
    parser.add_argument(
        "--cutoff", help="score only problems from this contest date on (2024-08-01)"
    )
    parser.add_argument(
        "--task-ids", type=Path, help="file of the tasks to score, one id a line (BigCodeBench)"
    )
    parser.add_argument(
        "--environment", type=Path, help="virtual environment of the programs (BigCodeBench)"
    )
    parser.add_argument("--json", type=Path, help="also write scores and verdicts to this file")
    parser.add_argument(
        "--workers", type=int, help="programs at the same time (default: all cores)"
    )
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="run programs without a sandbox if bubblewrap does not work: they then have all your "
        "permissions",
    )
    return parser


_FILE_SUITES = tuple(name for name in SUITES if name not in GENERATED)


def _suite_name(text: str) -> str:
    """Return the name of a suite whose problems are in a file.

    Raises:
        ArgumentTypeError: it is none.
    """
    if text in _FILE_SUITES or is_plug_in_suite(text):
        return text
    raise argparse.ArgumentTypeError(
        f"invalid choice: {text!r}{closest(text, _FILE_SUITES)} (choose from "
        f"{', '.join(_FILE_SUITES)}, or give package.module:function)"
    )


def _config(options: argparse.Namespace) -> SandboxConfig:
    config = SandboxConfig(allow_unsandboxed=options.allow_unsandboxed)
    return config if options.workers is None else replace(config, workers=options.workers)


def _check_json(path: Path | None) -> None:
    """Refuse, before anything is run, a path that cannot be written."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise SuiteError(f"--json {path}: give a file in a directory that exists")


def _show_warning(message: Warning | str, *details: object, **more: object) -> None:
    sys.stderr.write(f"warning: {message}\n")


if __name__ == "__main__":
    sys.exit(main())
