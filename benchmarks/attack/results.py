"""What became of attacks, one by one, and counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.attack.programs import KINDS, Attack


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One attack on one evaluator.

    Attributes:
        attack: which one.
        passed: whether the evaluator counted it as a solution.
        outcome: what the evaluator said.
        effects: what it did outside of its own process, in words.
        skipped: why it was not run, empty where it was.
    """

    attack: Attack
    passed: bool = False
    outcome: str = ""
    effects: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def got_through(self) -> bool:
        """Whether the evaluator was cheated, or its machine changed."""
        return self.passed or bool(self.effects)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, the attack by kind and name."""
        values = asdict(self)
        del values["attack"]
        return {"kind": self.attack.kind, "name": self.attack.name, **values}


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many attacks of a kind were tried on an evaluator, passed, and left effects."""

    tried: int
    passed: int
    effects: int


def count(results: Sequence[Result], kind: str | None = None) -> Count:
    """Return the counts of one kind, or of all."""
    tried = [r for r in results if not r.skipped and kind in (None, r.attack.kind)]
    return Count(
        tried=len(tried),
        passed=sum(result.passed for result in tried),
        effects=sum(bool(result.effects) for result in tried),
    )


def table(title: str, results: dict[str, Sequence[Result]]) -> str:
    """Return the counts as text, a kind a line, evaluators side by side; then all that got through.

    `results` is by evaluator.
    """
    heads = ["tried", "counted as pass", "effects left"]
    several = len(results) > 1
    cells = [["", *(f"{name}: {head}" if several else head for name in results for head in heads)]]
    for kind in (*KINDS, None):
        counts = [count(own, kind) for own in results.values()]
        numbers = [n for c in counts for n in (c.tried, c.passed, c.effects)]
        cells.append([kind or "all", *map(str, numbers)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [title]
    for name, *values in cells:
        padded = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    for name, own in results.items():
        lines += ["", *_details(name, own)]
    return "\n".join(lines) + "\n"


def _details(name: str, results: Sequence[Result]) -> list[str]:
    through = [result for result in results if result.got_through]
    lines = [f"{name}: {len(through)} attacks got through" + (":" if through else ".")]
    for result in through:
        what = [*(["counted as pass"] if result.passed else []), *_summed(result.effects)]
        lines.append(f"  {result.attack.kind}/{result.attack.name}: {'; '.join(what)}")
    lines += [
        f"  not tried: {result.attack.kind}/{result.attack.name}: {result.skipped}"
        for result in results
        if result.skipped
    ]
    return lines


def _summed(effects: Sequence[str]) -> list[str]:
    """Return effects with their counts; of many kinds the first two, and how many more."""
    counts = Counter(effects)
    words = [f"{effect} ({n} times)" if n > 1 else effect for effect, n in counts.items()]
    return words if len(words) <= 3 else [*words[:2], f"{len(words) - 2} more effects"]
