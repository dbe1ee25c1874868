"""The interface of passes: a trunk for the domain tokens, then losses behind it.

Shapes: P domain tokens, Q sample tokens, H hidden size, R sets of sample tokens, n texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from domino.passes.texts import Text

Trunk = tuple[torch.Tensor, ...]
"""What all losses of a step need of the domain tokens, differentiable in them."""


class Passes(Protocol):
    """Forward passes of one model. Cutting a trunk out of autograd lets losses run in groups."""

    def trunk(self, domain_PH: torch.Tensor) -> Trunk:
        """Run what all prefixes begin with."""

    def losses(
        self, trunk: Trunk, sample_RQH: torch.Tensor | None, texts: Sequence[Text]
    ) -> torch.Tensor:
        """Return each text's loss behind the domain tokens and each set of sample tokens, [R, n].

        Without sample tokens there is one row, behind the domain tokens alone.
        """
