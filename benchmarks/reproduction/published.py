"""Published generations scored anew, verdict by verdict.

A difference from a published verdict is listed with its reason.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.evaluator.check import canonical_failures, check
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.reading import read_json
from benchmarks.suites.registry import SuiteOptions, load_suite
from benchmarks.suites.samples import read_samples
from domino.records import Outcome, Verdict

_PUBLISHED = "published/qwen2.5-coder-1.5b"
_SETS = "evalplus 0.3.1 compares this task's outputs as sets, and did not when these were published"
Passes = tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedCheck:
    """One data set with published generations, or with its own solutions alone.

    Attributes:
        suite: name of the suite.
        dataset: its file, below the data folder; so are the other files.
        generations: published samples; None to run the canonical solutions.
        verdicts: the verdicts published with them.
        task_ids: which tasks are meant.
        reasons: why a verdict may differ from the published one, by task.
    """

    suite: str
    dataset: str
    generations: str | None = None
    verdicts: str | None = None
    task_ids: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


CHECKS: Mapping[str, PublishedCheck] = MappingProxyType(
    {
        "humaneval+": PublishedCheck(
            suite="humaneval+",
            dataset="evalplus/HumanEvalPlus-v0.1.9.jsonl.gz",
            generations=f"{_PUBLISHED}/humaneval.samples.jsonl.gz",
            verdicts=f"{_PUBLISHED}/humaneval.eval_results.json.gz",
        ),
        "mbpp+": PublishedCheck(
            suite="mbpp+",
            dataset="evalplus/MbppPlus-v0.1.0.jsonl.gz",
            generations=f"{_PUBLISHED}/mbpp.samples.jsonl.gz",
            verdicts=f"{_PUBLISHED}/mbpp.eval_results.json.gz",
            reasons={f"Mbpp/{number}": _SETS for number in (2, 232, 249, 579)},
        ),
        "bigcodebench-hard": PublishedCheck(
            suite="bigcodebench-hard",
            dataset="bigcodebench/BigCodeBench-v0.1.0.jsonl.gz",
            generations=f"{_PUBLISHED}/bigcodebench_hard.samples.jsonl.gz",
            verdicts=f"{_PUBLISHED}/bigcodebench_hard.eval_results.json.gz",
            task_ids="bigcodebench/hard_task_ids.txt",
        ),
        "canonical-humaneval+": PublishedCheck(
            suite="humaneval+", dataset="evalplus/HumanEvalPlus-v0.1.10.jsonl.gz"
        ),
        "canonical-mbpp+": PublishedCheck(
            suite="mbpp+", dataset="evalplus/MbppPlus-v0.2.0.jsonl.gz"
        ),
        "canonical-cruxeval": PublishedCheck(
            suite="cruxeval", dataset="cruxeval/cruxeval.jsonl.gz"
        ),
        "canonical-bigcodebench-hard": PublishedCheck(
            suite="bigcodebench-hard",
            dataset="bigcodebench/BigCodeBench-v0.1.0.jsonl.gz",
            task_ids="bigcodebench/hard_task_ids.txt",
        ),
    }
)


def run_check(name: str, data: Path, config: SandboxConfig) -> dict[str, Any]:
    """Run one check and return all that its file holds.

    Raises:
        SuiteError: a file cannot be read.
    """
    one = CHECKS[name]
    suite = load_suite(
        one.suite,
        SuiteOptions(
            dataset=data / one.dataset, task_ids=data / one.task_ids if one.task_ids else None
        ),
    )
    started = time.monotonic()
    config = suite.limits(config)
    result = (
        _canonical(suite, config)
        if one.generations is None or one.verdicts is None
        else _published(suite, config, data / one.generations, data / one.verdicts, one.reasons)
    )
    return {
        "check": name,
        "dataset": {"file": Path(one.dataset).name, "sha256": suite.digest},
        **result,
        "not_judged": dict(suite.unjudged),
        "seconds": round(time.monotonic() - started),
        **_circumstances(name),
    }


def _canonical(suite: Suite, config: SandboxConfig) -> dict[str, Any]:
    problems = [p for p in suite.everything() if p.id not in suite.unjudged]
    failures = canonical_failures(problems, config)
    return {
        "what": "canonical solutions",
        "scores": [{"tests": "all", "ours": len(problems) - len(failures), "of": len(problems)}],
        "differences": {v.problem_id: {"ours": v.detail} for v in failures},
    }


def _published(
    suite: Suite, config: SandboxConfig, samples: Path, verdicts: Path, reasons: Mapping[str, str]
) -> dict[str, Any]:
    theirs = {
        key: passes
        for key, passes in _published_passes(verdicts).items()
        if key not in suite.unjudged
    }
    problems = suite.everything()
    programs = [
        program
        for program in read_samples(samples, problems).programs
        if program.problem_id not in suite.unjudged
    ]
    ours = {v.problem_id: _passes(v) for v in check(problems, programs, config).verdicts}
    tests = suite.test_names
    return {
        "what": "published generations",
        "samples": samples.name,
        "scores": [
            {
                "tests": test,
                "ours": sum(passes[part] for passes in ours.values()),
                "published": sum(passes[part] for passes in theirs.values()),
                "of": len(ours),
            }
            for part, test in enumerate(tests)
        ],
        "differences": {
            key: {
                "ours": list(ours[key][: len(tests)]),
                "published": list(theirs[key][: len(tests)]),
                "reason": reasons.get(key),
            }
            for key in ours
            if ours[key][: len(tests)] != theirs[key][: len(tests)]
        },
    }


def _passes(verdict: Verdict) -> Passes:
    return verdict.base is Outcome.PASSED, verdict.passed


def _published_passes(path: Path) -> dict[str, Passes]:
    """Return by task whether base, and base and plus, passed; BigCodeBench has one status."""
    try:
        return {
            key: (row["status"] == "pass",) * 2
            if "status" in row
            else (row["base_status"] == "pass", row["base_status"] == row["plus_status"] == "pass")
            for key, [row] in read_json(path)["eval"].items()
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SuiteError):
            raise
        raise SuiteError(
            f"{path}: not verdicts as EvalPlus and BigCodeBench write them ({error!r}): give the "
            "published file"
        ) from error


def _circumstances(name: str) -> dict[str, Any]:
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return {
        "command": f"python -m benchmarks.reproduction --data DIR --only {name}",
        "git_commit": git.stdout.strip(),
        "python": sys.version.split()[0],
        "evalplus": version("evalplus"),
    }


def unexplained(result: Mapping[str, Any]) -> list[str]:
    """Return the tasks whose verdicts differ without a reason; failing solutions have none."""
    return [key for key, entry in result["differences"].items() if not entry.get("reason")]


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Published scores and canonical solutions, scored by this evaluator",
        "",
        "| check | data set | tests | ours | published | not judged | other verdicts |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for score in result["scores"]:
            published = f"{score['published']}/{score['of']}" if "published" in score else ""
            lines.append(
                f"| {result['check']} | {result['dataset']['file']} | {score['tests']} "
                f"| {score['ours']}/{score['of']} "
                f"| {published} "
                f"| {len(result['not_judged'])} | {len(result['differences'])} |"
            )
    for title, field_name in (("Other verdicts", "differences"), ("Not judged", "not_judged")):
        entries = [(r["check"], key, e) for r in results for key, e in r[field_name].items()]
        lines += ["", f"## {title}", ""] if entries else []
        lines += [f"- {check_name}, {key}: {_words(entry)}" for check_name, key, entry in entries]
    lines += ["", "## Commands", ""]
    lines += [f"- `{result['command']}` ({result['seconds']} s)" for result in results]
    return "\n".join(lines) + "\n"


def _words(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if "published" not in entry:
        return str(entry["ours"])
    ours, theirs = (
        " and ".join("passes" if passed else "fails" for passed in entry[side])
        for side in ("ours", "published")
    )
    return f"{ours} here, {theirs} as published: {entry['reason'] or 'NO REASON KNOWN'}"
