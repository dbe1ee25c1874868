"""`python -m benchmarks.attack`: hostile programs against our evaluator, and against a peer's."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.attack.ours import attack_ours
from benchmarks.attack.peer import PEERS, attack_peer, require
from benchmarks.attack.programs import ATTACKS, Attack, AttackError, load_attacks
from benchmarks.attack.results import Result, count, table
from benchmarks.attack.tasks import EVERY, SUITES, problem_of, suites_of
from benchmarks.cli.exit_codes import exit_code
from benchmarks.common.words import counting
from benchmarks.sandbox import SandboxConfig
from domino.records import Problem

OURS = "ours"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks, print the table, and return the exit code.

    0 where nothing got through our evaluator, 1 where something did or the machine is broken, 2 on
    bad input.
    """
    return exit_code("benchmarks.attack", lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    attacks = load_attacks(options.programs, options.attacks)
    problems = {name: problem_of(name, options.dataset) for name in suites_of(options.suite)}
    if options.peers:
        _require_peers(options.suite, problems)
    results: dict[str, dict[str, Sequence[Result]]] = {}
    for name, problem in problems.items():
        results[name] = _attacked(options, name, attacks, problem)
        print(table(f"{len(attacks)} attacks under the rules of {name}", results[name]))
        if options.json is not None:
            _write(options.json, results)
    return int(any(result.got_through for own in results.values() for result in own[OURS]))


def _require_peers(asked: str, suites: Iterable[str]) -> None:
    peers = {PEERS[suite] for suite in suites if suite in PEERS}
    if not peers:
        raise AttackError(
            f"--peers: nobody else's evaluator is known for {asked}; there is one for "
            f"{', '.join(PEERS)}"
        )
    for peer in peers:
        require(peer)


def _attacked(
    options: argparse.Namespace, name: str, attacks: Sequence[Attack], problem: Problem
) -> dict[str, Sequence[Result]]:
    def shown(evaluator: str) -> Callable[[object], None]:
        return counting(len(attacks), f"attacks on {evaluator} ({name})")

    results: dict[str, Sequence[Result]] = {
        OURS: attack_ours(attacks, problem, SandboxConfig(), on_done=shown(OURS))
    }
    if options.peers and name in PEERS:
        peer = PEERS[name]
        results[peer] = attack_peer(peer, attacks, problem, on_done=shown(peer))
    return results


def _write(path: Path, results: Mapping[str, Mapping[str, Sequence[Result]]]) -> None:
    document = {
        "suites": [
            {"suite": suite, "evaluators": {name: _document(each) for name, each in own.items()}}
            for suite, own in results.items()
        ]
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _document(results: Sequence[Result]) -> dict[str, Any]:
    counts = count(results)
    return {
        "tried": counts.tried,
        "counted_as_pass": counts.passed,
        "effects_left": counts.effects,
        "attacks": [result.to_dict() for result in results],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attack",
        description="Run hostile programs against the evaluator, and count what gets through.",
        epilog="Exit code 1: an attack was counted as a pass, or left something on this machine.",
    )
    parser.add_argument(
        "--suite",
        choices=(*SUITES, EVERY),
        default=SUITES[0],
        help="under whose rules; all: of every suite that needs no file (minutes each)",
    )
    parser.add_argument("--dataset", type=Path, help="EvalPlus's .jsonl(.gz) file of that suite")
    parser.add_argument(
        "--attacks", nargs="+", default=[], metavar="NAME", help="these alone (default: all)"
    )
    parser.add_argument(
        "--programs", type=Path, default=ATTACKS, metavar="DIR", help="folder of the attacks"
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also against evalplus's or bigcodebench's own (minutes)",
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
