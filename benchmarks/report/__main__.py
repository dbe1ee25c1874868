"""`python -m benchmarks.report RUN...`: a page, tables and figures from stored runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError, convert_text, leaves, update
from benchmarks.common.files import write_atomically
from benchmarks.common.process import prepare_process
from benchmarks.common.words import warning_line

if TYPE_CHECKING:
    from benchmarks.config.comparison_config import ComparisonConfig
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.comparisons import Group
    from benchmarks.report.gate import Judged
    from benchmarks.report.stored import StoredRun

PROGRAM = "python -m benchmarks.report"


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("benchmarks.report", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    if given.publish is not None and given.to is not None:
        raise ConfigError("--to and --publish both name a folder: give one of them")
    if given.junit is not None and not given.require:
        raise ConfigError("--junit has the outcomes of requirements: give --require too")
    if not given.run and not given.cells:
        raise ConfigError("give the name of a run, or --cells DIR; see --help")
    from benchmarks.report.baseline import read_baseline, write_baseline
    from benchmarks.report.compared_runs import combine
    from benchmarks.report.gate import judge, read_requirement
    from benchmarks.report.page import make_report  # after --help and wrong options
    from benchmarks.report.publish import publish

    requirements = [read_requirement(text) for text in given.require]
    baseline = None if given.baseline is None else read_baseline(given.baseline)
    runs = combine(_runs(given), force=given.force)
    if given.write_baseline is not None:
        write_baseline(_only_group(runs), given.write_baseline)
    judged = judge(runs, requirements, baseline)
    name = "+".join(run.name for run in runs.runs)
    if given.publish is not None:
        print(publish(runs, make_report(runs), given.publish))
        return _gate(given, judged, name)
    folder = given.to or given.output / "reports" / name
    print(make_report(runs).write(folder))
    return _gate(given, judged, name)


def _only_group(runs: ComparedRuns) -> Group:
    """Return the methods of the one data set of a baseline.

    Raises:
        ConfigError: there are several.
    """
    groups = runs.groups()
    if len(groups) > 1:
        raise ConfigError(f"a baseline is of one data set, and the runs have {len(groups)}")
    return groups[0]


def _gate(given: argparse.Namespace, judged: Sequence[Judged], name: str) -> int:
    """Say what became of the requirements, and return the exit code."""
    from benchmarks.report.gate import exit_code_of, junit

    if given.junit is not None:
        write_atomically(given.junit, junit(judged, name))
    for one in judged:
        print(f"{one.outcome}: {one.text} ({one.why})")
    return exit_code_of(judged)


def _runs(given: argparse.Namespace) -> list[StoredRun]:
    """Return the runs that are named, and those that cells make; of files that are none a line."""
    from benchmarks.report.from_cells import load_cells
    from benchmarks.report.stored import load_run

    plan = _plan(given)
    runs = [load_run(name, given.output) for name in given.run]
    if given.cells:
        stages = None if given.publish is not None else given.output / "stages"
        found, strange = load_cells(*given.cells, stages=stages)
        runs += found
        for line in strange:
            print(warning_line(line), file=sys.stderr)
    if plan is None:
        return runs
    methods = list(dict.fromkeys(method for run in runs for method in run.names))
    plan.check(methods, runs[0].seeds, cells=True)
    return [run.with_plan(plan) for run in runs]


def _plan(given: argparse.Namespace) -> ComparisonConfig | None:
    """Return the plan of comparisons that the command names; None where it names none."""
    from benchmarks.config.comparison_config import ComparisonConfig

    hints = {leaf.path: leaf.hint for leaf in leaves(ComparisonConfig())}
    texts = {name: getattr(given, f"compare.{name}") for name in hints}
    named = {
        name: convert_text(f"--compare.{name}", hints[name], text)
        for name, text in texts.items()
        if text is not None
    }
    return update(ComparisonConfig(), named, prefix="compare.") if named else None


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "run", nargs="*", metavar="RUN",
        help="name that benchmarks.run printed (or its beginning), file of the run, or a directory "
        "with one run; several runs are compared",
    )  # fmt: skip
    parser.add_argument(
        "--cells", type=Path, action="append", default=[], metavar="DIR",
        help="folder of cells written by benchmarks.run --cells: one run per data set; can be "
        "repeated, and parts of one experiment are then joined",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), metavar="DIR",
        help="directory of runs that is searched for names (default: runs)",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, metavar="DIR",
        help="folder of the report (default: reports/NAME in the directory of runs)",
    )  # fmt: skip
    parser.add_argument(
        "--publish", type=Path, metavar="DIR",
        help="write a result to commit instead: tables, SVG figures, config and manifest, without "
        "anything specific to this machine, and with the paper's numbers",
    )  # fmt: skip
    for name, what in (
        ("contrasts", 'the primary comparisons, "A vs B" each, separated by commas'),
        ("margin", "methods are equivalent where they differ by less than so many points"),
        ("until_decided", "true: with interim analyses at 4, 6, 8 and 10 seeds"),
    ):
        parser.add_argument(
            f"--compare.{name}", metavar="VALUE",
            help=f"{what} (default of all three: as the runs were planned)",
        )  # fmt: skip
    parser.add_argument(
        "--require", action="append", default=[], metavar="TEXT",
        help="'A > B' or 'A not worse than B by POINTS', where B may be baseline: exit code 0 "
        "where all hold, 3 where one is broken, 4 where one is undecided; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="what --write-baseline wrote of another run"
    )
    parser.add_argument(
        "--write-baseline", type=Path, metavar="FILE",
        help="write what the run's methods solved, a few kB to be committed",
    )  # fmt: skip
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="write the requirements' outcomes as JUnit XML"
    )
    parser.add_argument(
        "--force", action="store_true",
        help="show runs of different datasets or versions side by side, with a label",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
