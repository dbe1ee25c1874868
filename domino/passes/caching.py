"""Gradient caching: losses without a graph, then one prefix at a time with one.

The forward pass keeps nothing but the losses. When their gradients come back, whatever objective
they come from, each prefix runs again with a graph of its own, which is gone before the next. So
memory is that of one prefix and not of the whole matrix, for one more forward pass of the texts.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from domino.passes.base import Passes, Trunk
from domino.passes.texts import Text


def cached_losses(
    passes: Passes, domain_PH: torch.Tensor, sample_BQH: torch.Tensor, texts: Sequence[Text]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses behind the domain tokens [B], and the matrix [B, B]; both differentiable.

    Values and gradients equal those of running `passes` once with everything in one graph.
    """
    domain_B, loss_BB = _CachedLosses.apply(domain_PH, sample_BQH, passes, tuple(texts))  # type: ignore[no-untyped-call]
    return domain_B, loss_BB


class _CachedLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        domain_PH: torch.Tensor,
        sample_BQH: torch.Tensor,
        passes: Passes,
        texts: tuple[Text, ...],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        trunk = passes.trunk(domain_PH)
        rows = [passes.losses(trunk, sample_1QH, texts) for sample_1QH in sample_BQH.split(1)]
        ctx.save_for_backward(domain_PH, sample_BQH)
        ctx.passes, ctx.texts, ctx.autocast = passes, texts, _autocast_like_now(domain_PH)
        ctx.set_materialize_grads(False)
        return passes.losses(trunk, None, texts)[0], torch.cat(rows)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, slope_B: torch.Tensor | None, slope_BB: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        domain_PH, sample_BQH = (saved.detach().requires_grad_() for saved in ctx.saved_tensors)
        with torch.enable_grad(), ctx.autocast:
            trunk = ctx.passes.trunk(domain_PH)
            # The trunk's graph is cut off and entered once, with what all prefixes sent back.
            cut = tuple(states.detach().requires_grad_() for states in trunk)
            if slope_B is not None:
                _send_back(ctx.passes, cut, None, ctx.texts, slope_B[None])
            if slope_BB is not None:
                for sample_1QH, slope_1B in zip(
                    sample_BQH.split(1), slope_BB.split(1), strict=True
                ):
                    _send_back(ctx.passes, cut, sample_1QH, ctx.texts, slope_1B)
        reached = [(states, leaf.grad) for states, leaf in zip(trunk, cut, strict=True)]
        reached = [(states, slope) for states, slope in reached if slope is not None]
        tensors, slopes = zip(*reached, strict=True)
        torch.autograd.backward(tensors, slopes)
        return domain_PH.grad, sample_BQH.grad, None, None


def _send_back(
    passes: Passes,
    trunk: Trunk,
    sample_1QH: torch.Tensor | None,
    texts: Sequence[Text],
    slope_1B: torch.Tensor,
) -> None:
    passes.losses(trunk, sample_1QH, texts).backward(slope_1B)


def _autocast_like_now(tensor: torch.Tensor) -> torch.autocast:
    """The autocast state of the forward pass, for a backward pass that runs outside it."""
    device = tensor.device.type
    return torch.autocast(
        device,
        dtype=torch.get_autocast_dtype(device),
        enabled=torch.is_autocast_enabled(device),
    )
