"""What a report says first: which method beats which, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.report.comparisons import Comparison, Comparisons
    from benchmarks.report.rows import MethodRow

_SMALLEST_P = 0.001


def headline(found: Comparisons | None, rows: Sequence[MethodRow]) -> str:
    """Return the outcome of the comparisons in one or two sentences."""
    scored = [row for row in rows if row.scores]
    if found is None:
        return f"{_count(len(scored), 'method')} could be scored, so that nothing is compared."
    score = scored[0].scores[0]
    design = f"{_count(score.problems, 'problem')} and {_count(len(score.seeds), 'seed')}"
    told = [pair for pair in found.pairs if pair.verdict != "not distinguishable"]
    if not told:
        compared = {name for pair in found.pairs for name in (pair.first, pair.second)}
        return f"No two of {len(compared)} methods can be told apart on {design}. {found.power()}"
    apart = f"{len(told)} of {_count(len(found.pairs), 'pair')} of methods"
    verb = "is" if len(told) == 1 else "are"
    return f"{_best(found)}{apart} {verb} told apart on {design}. {found.power()}"


def beats(found: Comparisons) -> list[str]:
    """Return a sentence for each pair that is told apart, the largest difference first."""
    told = [pair for pair in found.pairs if pair.verdict != "not distinguishable"]
    return [_beat(pair) for pair in sorted(told, key=_size, reverse=True)]


def alike(found: Comparisons) -> list[str]:
    """Return a line for each method: which of the earlier ones it is not told apart from."""
    lines = []
    for method in dict.fromkeys(pair.first for pair in found.pairs):
        others = [
            f"{pair.second} ({100 * pair.difference.interval.value:+.1f})"
            for pair in found.pairs
            if pair.first == method and pair.verdict == "not distinguishable"
        ]
        if others:
            lines.append(f"{method} is not distinguishable from {', '.join(others)}.")
    return lines


def p_words(p: float) -> str:
    """Return a p-value as a reader wants it."""
    return f"p < {_SMALLEST_P}" if p < _SMALLEST_P else f"p = {p:.3f}"


def _best(found: Comparisons) -> str:
    """Return which methods beat others and are beaten by none; "" where there is no such method."""
    beaten, wins = set(), dict.fromkeys(_methods(found), 0)
    for pair in found.pairs:
        if pair.verdict != "not distinguishable":
            winner, loser = _ordered(pair)
            wins[winner] += 1
            beaten.add(loser)
    best = [name for name in wins if name not in beaten and wins[name]]
    others = len(wins) - 1
    if not best:
        return ""
    by_wins: dict[int, list[str]] = {}
    for name in sorted(best, key=lambda name: -wins[name]):
        by_wins.setdefault(wins[name], []).append(name)
    (most, first), *rest = by_wins.items()
    verb = "beats" if len(first) == 1 else "beat"
    said = [f"{_listed(first)} {verb} {most} of {_count(others, 'other method')}"]
    said += [f"{_listed(names)} {count}" for count, names in rest]
    return f"{', '.join(said)}; no method beats {'it' if len(best) == 1 else 'these'}. "


def _listed(names: Sequence[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def _methods(found: Comparisons) -> list[str]:
    """Return all methods, in the order of the run."""
    firsts = dict.fromkeys(pair.first for pair in found.pairs)
    seconds = dict.fromkeys(pair.second for pair in found.pairs)
    return list(dict.fromkeys([*(name for name in seconds if name not in firsts), *firsts]))


def _ordered(pair: Comparison) -> tuple[str, str]:
    """Return the winner and the loser of a pair that is told apart."""
    ahead = pair.difference.interval.value > 0
    return (pair.first, pair.second) if ahead else (pair.second, pair.first)


def _beat(pair: Comparison) -> str:
    interval = pair.difference.interval
    winner, loser = _ordered(pair)
    low, high = interval.low, interval.high
    if interval.value < 0:
        low, high = -high, -low
    return (
        f"{winner} beats {loser} by {100 * abs(interval.value):.1f} points "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, {p_words(pair.p)})."
    )


def _size(pair: Comparison) -> float:
    return abs(pair.difference.interval.value)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
