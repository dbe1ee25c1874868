"""What was measured, as rows of a table and as plain values."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.speed.timing import Times

_MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedCalls:
    """What one way did in a round: tokens fitted or drawn, operations, peak memory if measured."""

    tokens: int
    flops: int
    peak_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedRow:
    """One implementation, compared with the first one of its table; ratios are per token.

    Attributes:
        name: of the way.
        cpu_s: median processor seconds (on a GPU: seconds between events on its stream).
        wall_s: median seconds on the wall.
        cpu_ratio: how many times less processor time than the first way, median over rounds.
        wall_ratio: the same on the wall.
        flop_ratio: how many times fewer operations, by the model.
        tokens_per_s: of references fitted, or of samples drawn.
        matmul_share: operations a second by the model, over those of a large matrix product.
        peak_bytes: memory without model and batch; None if not measured, or if it did not fit.
        official_peak_bytes: the same of the first way.
    """

    name: str
    cpu_s: float
    wall_s: float
    cpu_ratio: float
    wall_ratio: float
    flop_ratio: float
    tokens_per_s: float
    matmul_share: float
    peak_bytes: int | None = None
    official_peak_bytes: int | None = None

    @property
    def share_of_model(self) -> float:
        """How much of the model's ratio the processor's time shows."""
        return self.cpu_ratio / self.flop_ratio

    @property
    def peak_ratio(self) -> float | None:
        """How many times less memory than the first way."""
        if not self.peak_bytes or not self.official_peak_bytes:
            return None
        return self.official_peak_bytes / self.peak_bytes

    def values(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        derived = {"share_of_model": self.share_of_model, "peak_ratio": self.peak_ratio}
        return asdict(self) | derived


def rows(
    times: Mapping[str, Times], done: Mapping[str, TimedCalls], matmul_flops_per_s: float
) -> list[SpeedRow]:
    """Return one row for each way, in order; the first is what the others are compared with."""
    first = next(iter(times))
    return [
        SpeedRow(
            name=name,
            cpu_s=statistics.median(own.cpu_s),
            wall_s=statistics.median(own.wall_s),
            cpu_ratio=_ratio(times[first].cpu_s, own.cpu_s, done[first], done[name]),
            wall_ratio=_ratio(times[first].wall_s, own.wall_s, done[first], done[name]),
            flop_ratio=_ratio((done[first].flops,), (done[name].flops,), done[first], done[name]),
            tokens_per_s=done[name].tokens / statistics.median(own.wall_s),
            matmul_share=done[name].flops / statistics.median(own.wall_s) / matmul_flops_per_s,
            peak_bytes=done[name].peak_bytes,
            official_peak_bytes=done[first].peak_bytes,
        )
        for name, own in times.items()
    ]


def _ratio(
    first: Sequence[float], own: Sequence[float], whole: TimedCalls, part: TimedCalls
) -> float:
    """The median over rounds of the first way's cost per token over the own."""
    ratios = [a / whole.tokens / (b / part.tokens) for a, b in zip(first, own, strict=True)]
    return statistics.median(ratios)


_COLUMNS: dict[str, Callable[[SpeedRow], str]] = {
    "CPU s": lambda row: f"{row.cpu_s:.2f}",
    "wall s": lambda row: f"{row.wall_s:.2f}",
    "CPU ×": lambda row: f"{row.cpu_ratio:.2f}",
    "wall ×": lambda row: f"{row.wall_ratio:.2f}",
    "FLOP ×": lambda row: f"{row.flop_ratio:.2f}",
    "of FLOP ×": lambda row: f"{row.share_of_model:.2f}",
    "tokens/s": lambda row: f"{row.tokens_per_s:,.0f}",
    "of matmul": lambda row: f"{100 * row.matmul_share:.0f} %",
    "peak MiB": lambda row: "" if row.peak_bytes is None else f"{row.peak_bytes / _MIB:,.0f}",
    "peak ×": lambda row: "" if row.peak_ratio is None else f"{row.peak_ratio:.1f}",
}


def table(title: str, rows: Sequence[SpeedRow]) -> str:
    """Return the rows as text; × columns say how many times less than the first row."""
    cells = [["", *_COLUMNS]]
    cells += [[row.name, *(column(row) for column in _COLUMNS.values())] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [title]
    for name, *values in cells:
        padded = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines) + "\n"
