"""Training curves: points, and the log that records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domino.records import Record

if TYPE_CHECKING:
    from benchmarks.store.store import Stage


LOSSES = "losses.jsonl"
"""The file of a stage that holds its training curves, one `Metrics` record a line."""


Log = Callable[[Mapping[str, float], int], None]
"""Takes (metrics by name, step)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics(Record):
    """One point of a training curve: values by name at a step."""

    step: int
    values: Mapping[str, float]


def _no_log(metrics: Mapping[str, float], step: int) -> None:
    """Keep no curve."""


def recorded_log(stage: Stage, log: Log) -> Log:
    """Return a log that also appends to the stage's curves.

    After a kill training yields the same points again, from the start or as a checkpoint has them:
    as many as the file holds already are passed on without being written twice.
    """
    written = len(stage.read(LOSSES, Metrics))
    calls = 0

    def record(metrics: Mapping[str, float], step: int) -> None:
        nonlocal calls
        calls += 1
        if calls > written:
            values = {name: float(value) for name, value in metrics.items()}
            stage.append(LOSSES, Metrics(step=step, values=values))
        log(metrics, step)

    return record
