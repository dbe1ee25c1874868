"""`python -m benchmarks.evaluate`: scores existing generations on HumanEval+ or MBPP+."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.checking import CheckingError, CheckReport, check
from benchmarks.sandbox import (
    NoSandboxError,
    SandboxConfig,
    SandboxConfigError,
    SandboxError,
    UnsandboxedWarning,
)
from benchmarks.suites.base import SuiteError
from benchmarks.suites.evalplus_data import Dataset, load_problems
from benchmarks.suites.samples import read_samples
from domino.records import Outcome, Verdict

_DATASETS: dict[str, Dataset] = {"humaneval+": "humaneval", "mbpp+": "mbpp"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Pass@1 on one set of inputs; `pass_at_1` in [0, 1] is the mean over problems."""

    tests: str
    passed: int
    samples: int
    pass_at_1: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Score samples, print the table, and return the exit code.

    What is wrong with the input is one line and 2; a machine that cannot go on is one line and 1.
    """
    options = _parser().parse_args(arguments)
    try:
        config = _config(options)
        _check_json(options.json)
        file = load_problems(_DATASETS[options.suite], options.dataset)
        programs = read_samples(options.samples, file.problems)
        started = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("always", UnsandboxedWarning)
            warnings.showwarning = _show_warning
            report = check(file.problems, programs, config, on_done=_progress(len(programs)))
        seconds = time.monotonic() - started
        rows = score(report.verdicts)
        if options.json is not None:
            _write_json(options, file.digest, rows, report)
    except (SuiteError, SandboxConfigError, NoSandboxError, CheckingError) as error:
        return _say(error, 2)
    except (SandboxError, OSError) as error:
        return _say(error, 1)
    sys.stdout.write(table(options.suite, file.digest, rows, report, seconds))
    return 0


def _say(error: Exception, code: int) -> int:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return code


def score(verdicts: Sequence[Verdict]) -> list[Row]:
    """Return pass@1 on the base inputs, and on base and plus inputs together."""
    by_problem: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_problem[verdict.problem_id].append(verdict)
    rows = []
    for tests, passes in (("base", _passes_base), ("base + plus", _passes_plus)):
        shares = [sum(map(passes, group)) / len(group) for group in by_problem.values()]
        rows.append(
            Row(
                tests=tests,
                passed=sum(map(passes, verdicts)),
                samples=len(verdicts),
                pass_at_1=sum(shares) / len(shares),
            )
        )
    return rows


def table(suite: str, digest: str, rows: Sequence[Row], report: CheckReport, seconds: float) -> str:
    """Return what the command prints: scores, outcomes, retries and the data set's digest."""
    lines = [f"{suite:<14} {'passed':>11} {'pass@1':>8}"]
    for row in rows:
        share = f"{row.passed}/{row.samples}"
        lines.append(f"{row.tests:<14} {share:>11} {100 * row.pass_at_1:>6.1f} %")
    lines.append("")
    lines.append(f"{'outcome':<14} {'base':>11} {'+ plus':>8}")
    base, plus = outcomes(report.verdicts)
    lines += [
        f"{outcome.value:<14} {base[outcome]:>11} {plus[outcome]:>8}"
        for outcome in Outcome
        if base[outcome] or plus[outcome]
    ]
    lines.append("")
    lines.append(f"timeouts tried again alone: {report.retried_timeouts}")
    lines.append(f"time: {seconds:.1f} s")
    lines.append(f"data set: sha256 {digest}")
    return "\n".join(lines) + "\n"


def outcomes(verdicts: Sequence[Verdict]) -> tuple[Counter[Outcome], Counter[Outcome]]:
    """Return how many programs had each outcome on base, and on base and plus inputs."""
    return Counter(v.base for v in verdicts), Counter(v.plus for v in verdicts)


def _passes_base(verdict: Verdict) -> bool:
    return verdict.base is Outcome.PASSED


def _passes_plus(verdict: Verdict) -> bool:
    return verdict.passed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__)
    parser.add_argument("--suite", required=True, choices=list(_DATASETS))
    parser.add_argument(
        "--dataset", type=Path, help="EvalPlus's .jsonl(.gz) file; without it, evalplus downloads"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        required=True,
        help=".jsonl(.gz) with task_id and solution|completion",
    )
    parser.add_argument("--json", type=Path, help="also write scores and verdicts to this file")
    parser.add_argument(
        "--workers", type=int, help="programs at the same time (default: all cores)"
    )
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="run programs without bubblewrap where it is missing: they can then do what you can",
    )
    return parser


def _config(options: argparse.Namespace) -> SandboxConfig:
    config = SandboxConfig(allow_unsandboxed=options.allow_unsandboxed)
    return config if options.workers is None else replace(config, workers=options.workers)


def _check_json(path: Path | None) -> None:
    """Refuse, before anything is run, a place that no file can be written to."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise SuiteError(f"--json {path}: give a file in a directory that exists")


def _show_warning(message: Warning | str, *details: object, **more: object) -> None:
    sys.stderr.write(f"warning: {message}\n")


def _progress(total: int) -> Callable[[Verdict], None]:
    done = 0

    def advance(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{done}/{total} programs checked{end}")

    return advance


def _write_json(
    options: argparse.Namespace, digest: str, rows: Sequence[Row], report: CheckReport
) -> None:
    document = {
        "suite": options.suite,
        "dataset_sha256": digest,
        "scores": [asdict(row) for row in rows],
        "retried_timeouts": report.retried_timeouts,
        "verdicts": [asdict(verdict) for verdict in report.verdicts],
    }
    options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
