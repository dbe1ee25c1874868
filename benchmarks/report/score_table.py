"""Pass@1 of existing samples, as a table and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.evaluator.check import CheckReport
from benchmarks.suites.samples import Samples
from domino.records import Outcome, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRow:
    """Pass@1 on one set of inputs; `pass_at_1` in [0, 1] is the mean over problems."""

    tests: str
    passed: int
    samples: int
    pass_at_1: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """The result of `benchmarks.evaluate`.

    Attributes:
        suite: its name.
        variant: the part of the suite.
        tests: names of its sets of tests, the smaller one first.
        digest: SHA-256 of the data file.
        samples: the samples that were read.
        unjudged: problems that cannot be judged on this machine, with the reason.
        labels: labels of each problem, by which scores are also grouped.
        report: the verdicts.
        seconds: duration of the evaluation.
    """

    suite: str
    variant: str
    tests: tuple[str, ...]
    digest: str
    samples: Samples
    report: CheckReport
    seconds: float
    unjudged: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all problems of the suite were scored."""
        return not self.samples.broken and not self.unjudged

    @property
    def problems(self) -> int:
        """Number of problems with a verdict."""
        return len({verdict.problem_id for verdict in self.report.verdicts})

    @property
    def rows(self) -> list[ScoreRow]:
        """Pass@1 on each set of tests."""
        return score(self.report.verdicts, self.tests)


def score(
    verdicts: Sequence[Verdict], tests: Sequence[str] = ("base", "base + plus")
) -> list[ScoreRow]:
    """Return pass@1 on the base inputs, and on base and plus inputs.

    A suite with one set of tests has one row.
    """
    by_problem: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_problem[verdict.problem_id].append(verdict)
    rows = []
    for name, passes in zip(tests, (_passes_base, _passes_plus), strict=False):
        shares = [sum(map(passes, group)) / len(group) for group in by_problem.values()]
        rows.append(
            ScoreRow(
                tests=name,
                passed=sum(map(passes, verdicts)),
                samples=len(verdicts),
                pass_at_1=sum(shares) / len(shares),
            )
        )
    return rows


def table(scored: Scored) -> str:
    """Return the printed table: scores, outcomes, reruns and the data set's digest."""
    width = max(14, *(len(name) + 1 for name in (scored.suite, *scored.tests)))
    lines = [f"{scored.suite:<{width}} {'passed':>11} {'pass@1':>8}"]
    for row in scored.rows:
        share = f"{row.passed}/{row.samples}"
        lines.append(f"{row.tests:<{width}} {share:>11} {100 * row.pass_at_1:>6.1f} %")
    lines += _partial(scored)
    lines += [*_label_lines(scored, width), "", *_outcome_lines(scored, width), ""]
    counts = Counter(verdict.problem_id for verdict in scored.report.verdicts).values()
    each = str(min(counts)) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    part = f" ({scored.variant})" if scored.variant else ""
    lines.append(f"problems: {scored.problems}{part}; samples each: {each}")
    lines.append(f"timeouts rerun without contention: {scored.report.retried_timeouts}")
    lines.append(f"time: {scored.seconds:.1f} s")
    lines.append(f"data set: sha256 {scored.digest}")
    return "\n".join(lines) + "\n"


def _partial(scored: Scored) -> list[str]:
    if scored.complete:
        return []
    samples, unjudged = scored.samples, scored.unjudged
    total = scored.problems + len(unjudged) + len(set(samples.missing) - set(unjudged))
    lines = [f"NOT A SCORE OF THE SUITE: {scored.problems} of {total} problems are scored"]
    if samples.broken:
        lines.append(f"{len(samples.broken)} lines could not be read")
    lines += [f"cannot be judged here: {key} ({reason})" for key, reason in unjudged.items()]
    return lines


def by_label(scored: Scored) -> dict[str, tuple[int, int]]:
    """Return (passed all tests, total) of the programs by label, the largest first."""
    counts: dict[str, list[int]] = {}
    for verdict in scored.report.verdicts:
        for label in scored.labels.get(verdict.problem_id, ()):
            passed_of = counts.setdefault(label, [0, 0])
            passed_of[0] += verdict.passed
            passed_of[1] += 1
    order = sorted(counts.items(), key=lambda item: (-item[1][1], item[0]))
    return {label: (passed, total) for label, (passed, total) in order}


def _label_lines(scored: Scored, width: int) -> list[str]:
    lines = [
        f"{label:<{width}} {f'{passed}/{total}':>11} {100 * passed / total:>6.1f} %"
        for label, (passed, total) in by_label(scored).items()
    ]
    return ["", f"{'library':<{width}} {'passed':>11}", *lines] if lines else []


def _outcome_lines(scored: Scored, width: int) -> list[str]:
    base, plus = outcomes(scored.report.verdicts)
    if len(scored.tests) == 1:
        counts = [(outcome, f"{base[outcome]:>11}") for outcome in Outcome if base[outcome]]
        head = f"{'programs':>11}"
    else:
        either = [outcome for outcome in Outcome if base[outcome] or plus[outcome]]
        counts = [(outcome, f"{base[outcome]:>11} {plus[outcome]:>8}") for outcome in either]
        head = f"{scored.tests[0]:>11} {'all':>8}"
    return [
        f"{'outcome':<{width}} {head}",
        *(f"{outcome.value:<{width}} {count}" for outcome, count in counts),
    ]


def outcomes(verdicts: Sequence[Verdict]) -> tuple[Counter[Outcome], Counter[Outcome]]:
    """Return the numbers of programs by outcome on base inputs, and on base and plus inputs."""
    return Counter(v.base for v in verdicts), Counter(v.plus for v in verdicts)


def document(scored: Scored) -> dict[str, Any]:
    """Return the same as JSON, with every verdict."""
    return {
        "suite": scored.suite,
        "variant": scored.variant,
        "dataset_sha256": scored.digest,
        "complete": scored.complete,
        "problems": scored.problems,
        "problems_without_sample": list(scored.samples.missing),
        "problems_not_judged": dict(scored.unjudged),
        "by_library": {label: list(counts) for label, counts in by_label(scored).items()},
        "broken_lines": list(scored.samples.broken),
        "scores": [asdict(row) for row in scored.rows],
        "retried_timeouts": scored.report.retried_timeouts,
        "verdicts": [asdict(verdict) for verdict in scored.report.verdicts],
    }


def _passes_base(verdict: Verdict) -> bool:
    return verdict.base is Outcome.PASSED


def _passes_plus(verdict: Verdict) -> bool:
    return verdict.passed
