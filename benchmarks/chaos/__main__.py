"""`python -m benchmarks.chaos`: kills a real run again and again and compares what it leaves.

Everything after `--` goes to `python -m benchmarks.run`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.chaos.ordeal import OrdealConfig, OrdealResult, hold
from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.files import write_atomically
from benchmarks.common.process import prepare_process

PROGRAM = "python -m benchmarks.chaos"
_DEFAULT_RUN = ("--preset", "smoke")


def main(arguments: Sequence[str]) -> int:
    """Hold the ordeal and return 0 where everything is equal, 1 where something differs."""
    return exit_code("benchmarks.chaos", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    at = list(arguments).index("--") if "--" in arguments else len(arguments)
    given, run = make_parser().parse_args(arguments[:at]), arguments[at + 1 :]
    command = [sys.executable, "-m", "benchmarks.run", *(run or _DEFAULT_RUN)]
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        outcome = hold(
            OrdealConfig(
                command=command,
                work=Path(given.work or temporary),
                kills=given.kills,
                minutes=given.minutes,
                tails=given.tails,
                full_disks=given.full_disks,
                seed=given.seed,
                mount=not given.no_mount,
            ),
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    print(words(outcome))
    if given.json:
        write_atomically(Path(given.json), json.dumps(dataclasses.asdict(outcome)) + "\n")
    return 1 if outcome.differences else 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ordeal's own options."""
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--kills N] [...] [-- OPTIONS OF benchmarks.run]",
        description=(
            "Kill a real run at random instants, tear its files, fill its disk, resume it each "
            "time, and compare table and records with an undisturbed run's."
        ),
        epilog=f"The run is `benchmarks.run {' '.join(_DEFAULT_RUN)}` where none is given.",
        allow_abbrev=False,
    )
    parser.add_argument("--kills", type=int, default=50, help="kills to deal (default: 50)")
    parser.add_argument("--minutes", type=float, help="let the run end after these (no limit)")
    parser.add_argument(
        "--tails", type=float, default=0.3, metavar="SHARE",
        help="kills that come when a record file can be torn, and tear it (default: 0.3)",
    )  # fmt: skip
    parser.add_argument(
        "--full-disks", type=float, default=0.15, metavar="SHARE",
        help="kills before which the disk is full (default: 0.15)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of all chances (default: 0)")
    parser.add_argument("--work", metavar="DIR", help="keep everything in this empty directory")
    parser.add_argument("--no-mount", action="store_true", help="limit files instead of a tmpfs")
    parser.add_argument("--json", metavar="FILE", help="also write the outcome as JSON")
    return parser


def words(outcome: OrdealResult) -> str:
    """Say what was dealt, what was asked and not dealt, and whether anything differs."""
    dealt = (
        f"{outcome.kills} kills, {outcome.tails} torn tails, {outcome.full_disks} full disks "
        f"({outcome.disk}) in {outcome.runs} runs{_owed(outcome)}"
    )
    if outcome.differences:
        return "\n".join([f"{dealt}: NOT EQUAL", *outcome.differences])
    return (
        f"{dealt}: tables, {outcome.records:,} records and {outcome.stages} stages equal those of "
        "the undisturbed run"
    )


def _owed(outcome: OrdealResult) -> str:
    """What was asked and did not happen, if anything."""
    names = {"kills": "kills", "tails": "torn tails", "full_disks": "full disks"}
    missing = [f"{outcome.owed[kind]} {name}" for kind, name in names.items() if outcome.owed[kind]]
    return f" (asked and not dealt: {', '.join(missing)})" if missing else ""


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
