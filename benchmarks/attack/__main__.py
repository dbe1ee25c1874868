"""`python -m benchmarks.attack`: hostile programs against our evaluator, and against evalplus's."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.attack.ours import attack_ours
from benchmarks.attack.peer import attack_evalplus
from benchmarks.attack.programs import ATTACKS, load_attacks
from benchmarks.attack.results import Result, count, table
from benchmarks.attack.tasks import SUITES, problem_of
from benchmarks.cli import exit_code
from benchmarks.progress import counting
from benchmarks.sandbox import SandboxConfig

OURS, EVALPLUS = "ours", "evalplus"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks, print the table, and return the exit code.

    0 where nothing got through our evaluator, 1 where something did or the machine is broken, 2 on
    bad input.
    """
    options = _parser().parse_args(arguments)
    return exit_code("benchmarks.attack", lambda: _main(options))


def _main(options: argparse.Namespace) -> int:
    attacks = load_attacks(options.programs, options.attacks)
    problem = problem_of(options.suite, options.dataset)
    config = SandboxConfig()
    results: dict[str, Sequence[Result]] = {
        OURS: attack_ours(
            attacks, problem, config, on_done=counting(len(attacks), f"attacks on {OURS}")
        )
    }
    if options.peers:
        results[EVALPLUS] = attack_evalplus(
            attacks, problem, on_done=counting(len(attacks), f"attacks on {EVALPLUS}")
        )
    print(table(f"{len(attacks)} attacks under the rules of {options.suite}", results))
    if options.json is not None:
        _write(options.json, options.suite, results)
    return int(any(result.got_through for result in results[OURS]))


def _write(path: Path, suite: str, results: dict[str, Sequence[Result]]) -> None:
    document: dict[str, Any] = {"suite": suite, "evaluators": {}}
    for name, own in results.items():
        counts = count(own)
        document["evaluators"][name] = {
            "tried": counts.tried,
            "counted_as_pass": counts.passed,
            "effects_left": counts.effects,
            "attacks": [result.to_dict() for result in own],
        }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attack",
        description="Run hostile programs against the evaluator, and count what gets through.",
        epilog="Exit code 1: an attack was counted as a pass, or left something on this machine.",
    )
    parser.add_argument(
        "--suite", choices=SUITES, default=SUITES[0], help="whose rules and first problem are used"
    )
    parser.add_argument("--dataset", type=Path, help="EvalPlus's .jsonl(.gz) file of that suite")
    parser.add_argument(
        "--attacks", nargs="+", default=[], metavar="NAME", help="these alone (default: all)"
    )
    parser.add_argument(
        "--programs", type=Path, default=ATTACKS, metavar="DIR", help="folder of the attacks"
    )
    parser.add_argument(
        "--peers", action="store_true", help="also against evalplus's own evaluator (minutes)"
    )
    parser.add_argument("--json", type=_file, help="also write every result to this file")
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: give a file in a directory that exists")
    return path


if __name__ == "__main__":
    sys.exit(main())
