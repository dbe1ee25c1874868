"""`python -m benchmarks.report RUN...`: one page, tables and figures out of stored runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError, convert_text, leaves, update
from benchmarks.common.process import prepare_process
from benchmarks.common.words import warning_line

if TYPE_CHECKING:
    from benchmarks.config.comparison_config import ComparisonConfig
    from benchmarks.report.stored import StoredRun

PROGRAM = "python -m benchmarks.report"


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("benchmarks.report", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    if given.publish is not None and given.to is not None:
        raise ConfigError("--to and --publish are two places: give one of them")
    if not given.run and not given.cells:
        raise ConfigError("give the name of a run, or --cells DIR; see --help")
    from benchmarks.report.compared_runs import combine
    from benchmarks.report.page import make_report  # after --help and wrong options
    from benchmarks.report.publish import publish

    runs = combine(_runs(given), force=given.force)
    if given.publish is not None:
        print(publish(runs, make_report(runs), given.publish))
        return 0
    folder = given.to or given.output / "reports" / "+".join(run.name for run in runs.runs)
    print(make_report(runs).write(folder))
    return 0


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
        help="a name that benchmarks.run printed (or its beginning), the file that holds it, or a "
        "directory of runs that holds one; several are compared",
    )  # fmt: skip
    parser.add_argument(
        "--cells", type=Path, action="append", default=[], metavar="DIR",
        help="a folder of cells that benchmarks.run --cells wrote: a run for each data set in it; "
        "may be repeated, and parts of one experiment then join",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), metavar="DIR",
        help="the directory of runs in which names are looked for (default: runs)",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, metavar="DIR",
        help="where the report is written (default: reports/NAME in the directory of runs)",
    )  # fmt: skip
    parser.add_argument(
        "--publish", type=Path, metavar="DIR",
        help="write a result that can be committed instead: tables, SVG figures, config and "
        "manifest, nothing of this machine, the paper's numbers beside them",
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
        "--force", action="store_true",
        help="show runs of different datasets or versions side by side, labelled as such",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
