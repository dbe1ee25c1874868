"""References only: what fine-tuning on the references themselves gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from baselines.base import Baseline, Draft
from domino.records import Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferencesOnlyConfig:
    """References only has no options."""


class ReferencesOnly(Baseline[ReferencesOnlyConfig]):
    """Yields each reference once, in order, and nothing new.

    Includes the response if references are pairs. It costs no tokens, and ends after the last
    reference.
    """

    name: ClassVar[str] = "references-only"
    synthesizes: ClassVar[bool] = False
    keeps_responses: ClassVar[bool] = True
    config_class: ClassVar[type[ReferencesOnlyConfig]] = ReferencesOnlyConfig

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        pairs = self.domain.template == "pair"
        for reference in self.domain.references[first:]:
            self.counts.count(None)
            yield Draft(
                instruction=reference.instruction,
                response=reference.response if pairs else None,
                parents=(reference.id,),
            )
