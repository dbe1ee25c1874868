"""Which forward passes a fit takes: the exact ones, or the official ones, under autocast or not.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from domino.fit_config import FitConfig
from domino.official import padded_loss_matrix, padded_losses
from domino.shared_prefix import Text, domain_losses, loss_matrix


@dataclass(frozen=True, slots=True)
class FitLosses:
    """The frozen backbone as a function from soft tokens and texts to losses.

    Attributes:
        model: a causal language model in eval mode whose weights are frozen.
        config: `padding` and `autocast` choose the passes.
        pad_id: what shorter texts are padded with where padding is a label.
        caching: whether gradients are cached.
    """

    model: Any
    config: FitConfig
    pad_id: int = 0
    caching: bool = False

    def domain(self, domain_PH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
        """Return CE(x_j | d) for each text, [B]."""
        with self._precision(domain_PH):
            if self.config.padding == "labels":
                return padded_losses(self.model, domain_PH, texts, self.pad_id)
            return domain_losses(self.model, domain_PH, texts)

    def matrix(
        self, domain_PH: torch.Tensor, sample_BQH: torch.Tensor, texts: Sequence[Text]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return CE(x_j | d), [B], and the matrix of CE(x_j | d, s_i), [B, B]."""
        with self._precision(domain_PH):
            if self.config.padding == "labels":
                return padded_loss_matrix(self.model, domain_PH, sample_BQH, texts, self.pad_id)
            return loss_matrix(
                self.model, domain_PH, sample_BQH, texts, gradient_caching=self.caching
            )

    @torch.no_grad()
    def held_out(self, domain_PH: torch.Tensor, texts: Sequence[Text]) -> float:
        """Return the mean over texts of CE(x_j | d); padding never counts here."""
        size = self.config.batch_size
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        with self._precision(domain_PH):
            losses = [domain_losses(self.model, domain_PH, part) for part in parts]
        return float(torch.cat(losses).mean())

    def _precision(self, tokens: torch.Tensor) -> torch.autocast:
        return torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.config.autocast)
