"""The one way in which stages keep and drop records, so that in = kept + dropped in all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from benchmarks.stages.errors import StageError
from benchmarks.store.store import Stage
from domino.records import Dropped, Synthetic

KEPT, DROPPED = "kept.jsonl", "dropped.jsonl"
CHUNK = 256
"""How many records go through an engine or the sandbox at a time: what a kill can lose."""

_T = TypeVar("_T")


class CountError(AssertionError):
    """Records were lost or doubled inside a stage: a defect of the stage, never of its data."""


class Sieve:
    """Sorts a stage's input into kept and dropped; what an earlier process sorted stays sorted."""

    def __init__(self, stage: Stage, records: Sequence[Synthetic]) -> None:
        """Read what is sorted already.

        Raises:
            StageError: two of the records have the same id.
        """
        self._stage = stage
        self._records = records
        require_unique_ids(stage.name, [record.id for record in records])
        self.kept = {record.id for record in stage.read(KEPT, Synthetic)}
        self._dropped = {drop.id: drop.reason for drop in stage.read(DROPPED, Dropped)}

    def pending(self) -> list[Synthetic]:
        """Return the records that are neither kept nor dropped yet, in order."""
        return [r for r in self._records if r.id not in self.kept and r.id not in self._dropped]

    @property
    def sorted(self) -> int:
        """How many records are kept or dropped."""
        return len(self.kept) + len(self._dropped)

    def keep(self, record: Synthetic) -> None:
        """Keep a record, as it is given: a stage may have added to it."""
        self._stage.append(KEPT, record)
        self.kept.add(record.id)

    def drop(self, record: Synthetic, reason: str, detail: str = "") -> None:
        """Drop a record for a reason; `detail` is for readers, reasons are counted."""
        dropped = Dropped(id=record.id, stage=self._stage.name, reason=reason, detail=detail)
        self._stage.append(DROPPED, dropped)
        self._dropped[record.id] = reason

    def summary(self) -> dict[str, Any]:
        """Return the counts.

        Raises:
            CountError: in = kept + dropped does not hold, by number or by id.
        """
        return reconciled(self._stage.name, [r.id for r in self._records], self.kept, self._dropped)


def reconciled(
    name: str, ids: Sequence[str], kept: set[str], dropped: dict[str, str]
) -> dict[str, Any]:
    """Return `{"in", "kept", "dropped": {reason: count}}` once the ids are seen to add up.

    Raises:
        CountError: an id is in both, in neither, or was never given.
    """
    both, lost = kept & dropped.keys(), set(ids) - kept - dropped.keys()
    unknown = (kept | dropped.keys()) - set(ids)
    if both or lost or unknown or len(ids) != len(kept) + len(dropped):
        raise CountError(
            f"{name}: {len(ids)} in, {len(kept)} kept, {len(dropped)} dropped; "
            f"{len(both)} in both, {len(lost)} in neither, {len(unknown)} never given"
        )
    reasons = dict(sorted(Counter(dropped.values()).items()))
    return {"in": len(ids), "kept": len(kept), "dropped": reasons}


def require_unique_ids(name: str, ids: Sequence[str]) -> None:
    """Refuse records with the same id.

    Raises:
        StageError: two records have one id.
    """
    repeated = [identity for identity, count in Counter(ids).items() if count > 1]
    if repeated:
        raise StageError(
            f"{name}: {len(repeated)} ids occur more than once, the first is {repeated[0]!r}: "
            "a method must number its records from `first`"
        )


def chunks(items: Sequence[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    """Yield the items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
