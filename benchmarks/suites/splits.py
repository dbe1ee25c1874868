"""Which problems of a data set are references, which are for development, which are the test.

By date where there are dates: what was published earlier is known, what came later is asked. By a
seed otherwise. Problems with one key (one function with several inputs) stay together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Generic, TypeVar

from benchmarks.suites.base import SuiteError
from domino.records import Problem, stable_id

T = TypeVar("T")
P = TypeVar("P", bound=Problem)
# Dealt out in turn, so that every stratum has its share: four references, one development problem
# and five test problems in ten; by date, one development problem in five of the earlier ones.
_DEAL = "RTRTDRTRTT"
_DEAL_EARLIER = "RRDRR"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts(Generic[T]):
    """The three parts of a data set, each in the data's order, and in words how they were made."""

    references: tuple[T, ...]
    development: tuple[T, ...]
    test: tuple[T, ...]
    how: str


def first_by_seed(items: Sequence[T], count: int | None, key: Callable[[T], str]) -> tuple[T, ...]:
    """Return `count` items drawn by a fixed seed, in their own order; all where it is None."""
    if count is None or count >= len(items):
        return tuple(items)
    drawn = sorted(items, key=lambda item: stable_id("limit", key(item)))[:count]
    chosen = {key(item) for item in drawn}
    return tuple(item for item in items if key(item) in chosen)


def split_by_seed(
    items: Sequence[T],
    seed: int,
    *,
    key: Callable[[T], str],
    stratum: Callable[[T], str] = lambda item: "",
) -> Parts[T]:
    """Deal the items out in the order of a seeded hash, stratum by stratum.

    Raises:
        SuiteError: there are fewer than two keys.
    """
    part = _dealt(items, seed, _DEAL, key, stratum)
    return _parts(items, lambda item: part[key(item)], f"split by seed {seed}")


def split_by_date(
    items: Sequence[T],
    seed: int,
    cutoff: date | None,
    *,
    key: Callable[[T], str],
    when: Callable[[T], date],
) -> Parts[T]:
    """Make what is dated `cutoff` or later the test; the seed picks development problems before it.

    Without a cut-off it is the date from which on about half of the items are.

    Raises:
        SuiteError: one side of the cut-off is empty.
    """
    dates = sorted(when(item) for item in items)
    cutoff = cutoff or _middle(dates)
    late = {key(item) for item in items if when(item) >= cutoff}
    early = [item for item in items if key(item) not in late]
    if not late or not early:
        raise SuiteError(
            f"cutoff is {cutoff}, and the data is dated {dates[0]} to {dates[-1]}: give a date "
            "between, on which or after which the test begins"
        )
    part = _dealt(early, seed, _DEAL_EARLIER, key)
    return _parts(
        items, lambda item: part.get(key(item), "T"), f"test from contest date {cutoff} on"
    )


def split_by_dates_or_seed(
    items: Sequence[P],
    seed: int,
    cutoff: date | None,
    *,
    key: Callable[[P], str],
    dates: Mapping[str, date],
) -> Parts[P]:
    """Split by date where the problems have dates, given by id, and by seed where none has.

    Raises:
        SuiteError: only a part of them has a date, or there is a cut-off and no date.
    """
    undated = [item.id for item in items if item.id not in dates]
    if not undated:
        return split_by_date(items, seed, cutoff, key=key, when=lambda item: dates[item.id])
    if len(undated) < len(items):
        raise SuiteError(
            f"{len(undated)} of {len(items)} problems have no contest_date, the first is "
            f"{undated[0]!r}: give all of them a date, or none, which splits them by seed"
        )
    if cutoff is not None:
        raise SuiteError(
            f"cutoff is {cutoff}, and the data has no contest dates: leave it out, or give a file "
            "with contest_date in every row"
        )
    parts = split_by_seed(items, seed, key=key)
    return replace(parts, how=f"{parts.how}, as the data has no contest dates")


def folds(keys: Sequence[str], count: int, seed: int) -> dict[str, int]:
    """Return the fold of each key, from 0 to `count` − 1, their sizes differing by one at most."""
    order = sorted(dict.fromkeys(keys), key=lambda key: stable_id(seed, "fold", key))
    return {key: place % count for place, key in enumerate(order)}


def _middle(dates: Sequence[date]) -> date:
    middle = dates[len(dates) // 2]
    later = (when for when in dates if when > dates[0])
    return middle if middle > dates[0] else next(later, middle)


def _dealt(
    items: Sequence[T],
    seed: int,
    deal: str,
    key: Callable[[T], str],
    stratum: Callable[[T], str] = lambda item: "",
) -> dict[str, str]:
    strata = {key(item): stratum(item) for item in items}
    order = sorted(strata, key=lambda name: (strata[name], stable_id(seed, "split", name)))
    if len(order) < 2:
        raise SuiteError(f"the data set has {len(order)} different problems: at least 2 are needed")
    return {name: deal[place % len(deal)] for place, name in enumerate(order)}


def _parts(items: Sequence[T], part: Callable[[T], str], how: str) -> Parts[T]:
    def of(letter: str) -> tuple[T, ...]:
        return tuple(item for item in items if part(item) == letter)

    return Parts(references=of("R"), development=of("D"), test=of("T"), how=how)
