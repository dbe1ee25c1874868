"""What a report says first: which method beats which, by how much, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.crossed import MIN_SEEDS, Design
from benchmarks.metrics.sequential import ANALYSES, Verdict, bounds
from benchmarks.report.comparisons import NOT_COMPARED

if TYPE_CHECKING:
    from benchmarks.report.comparisons import Comparisons, PairwiseResult
    from benchmarks.report.method_rows import MethodRow
    from benchmarks.report.pooled import PooledComparison

_SMALLEST_P = 0.001
_TOO_FEW = f"comparing methods takes at least {MIN_SEEDS} seeds"
_ORDER: tuple[Verdict, ...] = ("better", "worse", "equivalent", "undecided")


def headline(found: Comparisons | None, rows: Sequence[MethodRow]) -> str:
    """Return the outcome of the comparisons in one or two sentences."""
    if found is None or not found.pairs:
        scored = sum(bool(row.scores) for row in rows)
        return f"{_count(scored, 'method')} could be scored, so that nothing is compared."
    design = _design(found.design)
    where = f"{found.domain}: " if found.domain else ""
    if found.separates is False:
        where += "these measurements cannot separate methods: the ceiling does not beat no data. "
    if found.design.seeds < MIN_SEEDS:
        return f"{where}Estimates of {design} and no verdict: {_TOO_FEW}."
    if not any(pair.significant for pair in found.pairs):
        alike = sum(pair.verdict == "equivalent" for pair in found.primary)
        also = f", and {_count(alike, 'primary comparison')} equivalent" if alike else ""
        return f"{where}On {design} no pairwise difference is significant{also}. {power(found)}"
    return f"{where}{_counts(found, design)} {power(found)}"


def _counts(found: Comparisons, design: str) -> str:
    """Return how many pairs of each family have each verdict."""
    said = []
    for name, pairs in (("primary", found.primary), ("exploratory", found.exploratory)):
        counts = Counter(pair.verdict for pair in pairs)
        words = [f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict]]
        if words:
            said.append(f"of {_count(len(pairs), f'{name} comparison')} {', '.join(words)}")
    return f"On {design}: {'; '.join(said)}."


def pooled_lines(found: Sequence[PooledComparison], margin: float) -> list[str]:
    """Return a line for each pair over several domains, but for undecided exploratory ones."""
    lines = []
    for one in found:
        verdict, value = one.decision.verdict, 100 * float(one.pooled.value)
        said = {
            "better": f"better by {value:.1f} points", "worse": f"worse by {-value:.1f} points",
            "equivalent": f"equivalent within {margin:g} points ({value:+.1f})",
            "undecided": f"undecided ({value:+.1f})",
        }[verdict]  # fmt: skip
        if one.primary or verdict != "undecided":
            lines.append(
                f"{'' if one.primary else 'exploratory: '}{one.first} vs {one.second} over "
                f"{len(one.by_domain)} domains: {said} ({interval_words(one.interval)}, "
                f"{p_words(one.decision.p)})."
            )
    return lines


def interval_words(interval: tuple[float, float]) -> str:
    """Return the interval of a difference, which Holm's correction does not make wider."""
    low, high = interval
    return f"uncorrected 95 % interval {100 * low:.1f} to {100 * high:.1f}"


def power(found: Comparisons) -> str:
    """Return the minimum detectable difference; "" where methods are not compared."""
    if found.detectable is None:
        return ""
    return (
        f"Minimum detectable difference between two methods: {100 * found.detectable:.1f} points "
        "(80 % power, Holm-corrected)."
    )


def primary_lines(found: Comparisons) -> list[str]:
    """Return a line for each planned comparison, in the order of the plan."""
    return [line for pair in found.primary if (line := _line(pair, found))]


def exploratory_lines(found: Comparisons) -> list[str]:
    """Return a line for each exploratory pair that is not undecided, the largest first."""
    pairs = sorted(found.exploratory, key=lambda pair: -abs(pair.value))
    return [
        f"exploratory: {line}"
        for pair in pairs
        if pair.verdict != "undecided" and (line := _line(pair, found))
    ]


def _line(pair: PairwiseResult, found: Comparisons) -> str:
    names, interval = f"{pair.first} vs {pair.second}", interval_words(pair.interval)
    change = f"{100 * pair.value:+.1f}"
    if pair.significant:
        size = abs(100 * pair.value)
        return f"{names}: {pair.verdict} by {size:.1f} points ({interval}, {p_words(pair.p)})."
    if pair.verdict == "equivalent":
        where = f", both at the {pair.edge}" if pair.edge else ""
        return f"{names}: equivalent within {found.margin:g} points{where} ({change}, {interval})."
    if pair.verdict == "undecided":
        return f"{names}: undecided ({change}, {interval}); {needed_words(pair)}."
    if pair.p is None or pair.p > 0.05:  # of one seed, not significant
        return ""
    return (
        f"{names}: one seed: these two fine-tuned models differ (exact test, {p_words(pair.p)}; "
        f"{change}); {_TOO_FEW}."
    )


def needed_words(pair: PairwiseResult) -> str:
    """Return what it would take to decide a pair."""
    if not pair.needed:
        return "no design of up to 64 seeds would decide it"
    return f"deciding it takes {' or '.join(map(str, pair.needed))}"


def how(found: Comparisons) -> list[str]:
    """Return how pairs were compared, what the variance is made of, and what more would do."""
    if found.detectable is None:
        return []
    names = zip(found.families, ("primary", "exploratory"), strict=True)
    families = [_count(number, f"{name} comparison") for number, name in names if number]
    run, problem, residual = (f"{100 * share:.0f} %" for share in found.shares())
    (_, now), *more = found.outlook()
    would = " and ".join(f"{100 * size:.1f} with {design}" for design, size in more)
    return [
        "Crossed analysis of variance over runs and problems (Student's t, Welch-Satterthwaite), "
        f"Holm at 5 % over {' and over '.join(families)}; equivalence by two one-sided tests at "
        f"{found.margin:g} points.",
        *_interim(found),
        f"Variance of a difference: runs {run}, problems {problem}, residual {residual}. Minimum "
        f"detectable difference: {100 * now:.1f} points now, {would}.",
    ]


def _interim(found: Comparisons) -> list[str]:
    if not found.analyses:
        return []
    seeds = found.analyses[-1]
    state = "every primary comparison is decided" if found.decided else "not all are decided"
    planned = (*found.analyses, *(n for n in ANALYSES if n > seeds))
    at = zip(bounds(0.05, planned), planned, strict=True)
    limits = ", ".join(f"{p:.4f} at {n}" for p, n in at)
    return [
        f"Interim analyses (O'Brien-Fleming spending; one comparison alone at p {limits} seeds): "
        f"analysis {len(found.analyses)} of {len(planned)}, at {seeds} seeds; {state}. Intervals "
        "are repeated confidence intervals."
    ]


def missing_lines(found: Comparisons) -> list[str]:
    """Return which methods are missing from the comparisons."""
    return [
        f"{name} is missing from comparisons: not scored with every seed." for name in found.missing
    ]


def p_words(p: float | None) -> str:
    """Return a p-value as a reader wants it."""
    if p is None:
        return "no p"
    return f"p < {_SMALLEST_P}" if p < _SMALLEST_P else f"p = {p:.3f}"


def verdict_words(pair: PairwiseResult) -> str:
    """Return a verdict for a cell of a table."""
    if pair.verdict == NOT_COMPARED or not pair.edge:
        return pair.verdict
    return f"{pair.verdict} ({pair.edge})"


def _design(design: Design) -> str:
    return f"{_count(design.seeds, 'seed')} × {_count(design.problems, 'problem')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
