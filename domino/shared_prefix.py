"""Losses of texts behind soft prefixes: exact, in float32, and what they cost in memory.

Each prefix runs through the model once, every text behind its keys and values; see
`domino.passes.shared`. Models that cannot take a prefix run the plain passes, with a warning.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts of a batch, L tokens of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from domino.passes.caching import cached_losses
from domino.passes.memory import MemoryEstimate, MemoryMode, estimate_memory
from domino.passes.support import passes_for
from domino.passes.texts import Text

__all__ = [
    "MemoryEstimate", "MemoryMode", "Text", "domain_losses", "estimate_memory", "loss_matrix",
]  # fmt: skip


def loss_matrix(
    model: Any,
    domain_PH: torch.Tensor,
    sample_BQH: torch.Tensor,
    texts: Sequence[Text],
    *,
    gradient_caching: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses behind the domain tokens, and the matrix behind the sample tokens too.

    Args:
        model: a frozen causal language model in eval mode.
        domain_PH: the domain tokens, shared by all texts.
        sample_BQH: sample tokens, one set for each text.
        texts: the B texts, of any lengths; each has a token with a loss.
        gradient_caching: keep no graph, and run each prefix again in the backward pass: less
            memory, more time, the same values (`estimate_memory` says when it is needed).

    Returns:
        `domain_B[j]` = CE(x_j | d) and `loss_BB[i, j]` = CE(x_j | d, s_i): mean negative
        log-likelihood per token, differentiable in both kinds of soft tokens.
    """
    passes = passes_for(model, _positions(domain_PH, sample_BQH.shape[1], texts))
    if gradient_caching:
        return cached_losses(passes, domain_PH, sample_BQH, texts)
    trunk = passes.trunk(domain_PH)
    return passes.losses(trunk, None, texts)[0], passes.losses(trunk, sample_BQH, texts)


def domain_losses(model: Any, domain_PH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
    """Return CE(x_j | d) for each text, [B]."""
    passes = passes_for(model, _positions(domain_PH, 0, texts))
    return passes.losses(passes.trunk(domain_PH), None, texts)[0]


def _positions(domain_PH: torch.Tensor, sample_tokens: int, texts: Sequence[Text]) -> int:
    return len(domain_PH) + sample_tokens + max(len(text) for text in texts)
