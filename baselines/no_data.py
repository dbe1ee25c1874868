"""No data: the unchanged backbone, with which every method is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from baselines.base import Baseline, Draft
from domino.records import Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class NoDataConfig:
    """No data has no options."""


class NoData(Baseline[NoDataConfig]):
    """Yields nothing."""

    name: ClassVar[str] = "no-data"
    synthesizes: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    config_class: ClassVar[type[NoDataConfig]] = NoDataConfig

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        return iter(())
