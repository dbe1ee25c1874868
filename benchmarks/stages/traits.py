"""What a stage says of itself: every module of a stage has `TRAITS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.store.store import Stage


def _never(config: Any) -> bool:
    return False


def always(config: Any) -> bool:
    """Hold whatever the config says."""
    return True


def _all_stages(*inputs: Any) -> Sequence[Stage]:
    return [item for item in inputs if isinstance(item, Stage)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a stage's result depends on, in addition to its config, its references and its code.

    Attributes:
        random: whether the stage draws at random under a config; only then is the row's seed part
            of its cache key.
        runs_programs: whether it runs programs under a config; only then are the sandbox's limits
            part of it.
        asks: whether it puts the suite's protocol around contents, or extracts programs; only then
            are the suite's rules part of it.
        shows_references: whether, under a config, the model sees references that are none of the
            inputs; only then are they part of it.
        asks_teacher: whether, under a config, it asks the run's teacher; only then is that part of
            it.
        depends_on: from the stage's inputs, the earlier stages that its result depends on.
    """

    random: Callable[[Any], bool] = _never
    runs_programs: Callable[[Any], bool] = _never
    asks: bool = False
    shows_references: Callable[[Any], bool] = _never
    asks_teacher: Callable[[Any], bool] = _never
    depends_on: Callable[..., Sequence[Stage]] = _all_stages
