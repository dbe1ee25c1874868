"""Methods for runs on a cluster: its machines import them as plug-ins, package.module:Class."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from domino.records import Sampling, Synthetic
from domino.synthesizer import SynthesisError
from tests.stages import small

MEET = "DOMINO_TEST_MEET"
"""A directory, in the environment of the cluster's machines: who is there must be two."""
SLOW = "DOMINO_TEST_SLOW"
"""A directory: a method that finds it waits, after its first record, until it holds a file."""
_PATIENCE_S = 200.0


class First(small.Counting):
    """Counts, with its own responses; meets whoever else synthesizes where it is told to."""

    name = "first"

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        meet(self.name)
        for record in super().synthesize(count, sampling, first=first):
            number = int(small.NUMBER.findall(record.instruction)[0])
            yield replace(record, response=small.solution(number))
            wait_while_slow()


class Second(First):
    """The same with other numbers."""

    name = "second"

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        for record in super().synthesize(count, sampling, first=first):
            yield replace(record, id=f"t{record.id}")


class Failing(small.Counting):
    """Cannot go on after its second record."""

    name = "failing"

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        yield from super().synthesize(max(0, 2 - first), sampling, first=first)
        raise SynthesisError("two is enough")


def there(packed: bytes, part: Sequence[int], begun: str) -> Iterator[list[str] | None]:
    """Do a part of a stage's work, and leave a sign that it was begun."""
    yield None
    Path(begun).touch()
    yield [f"{item} there" for item in part]


def meet(name: str) -> None:
    """Wait until two methods are at work at the same time, on two machines of one processor."""
    if MEET not in os.environ:
        return
    place = Path(os.environ[MEET])
    (place / name).touch()
    wait_until(lambda: len(list(place.iterdir())) >= 2, f"nobody met {name}")


def wait_while_slow() -> None:
    """Wait until somebody has put a file into the directory."""
    if SLOW in os.environ:
        place = Path(os.environ[SLOW])
        wait_until(lambda: any(place.iterdir()), f"nothing came into {place}")


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Wait, with patience for a busy machine, until something has happened."""
    until = time.monotonic() + _PATIENCE_S
    while not happened():
        assert time.monotonic() < until, what
        time.sleep(0.1)
