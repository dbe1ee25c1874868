"""Linear head and cross-entropy in one, a chunk of tokens at a time.

Logits of all tokens at once are the largest tensor of a step by far (tokens × vocabulary, several
times over in autograd). The weights are frozen, so a token's gradient is its upstream factor times
a vector that the forward pass can leave behind: neither pass ever holds more than one chunk.
Kept libraries with such a kernel (Liger, Cut Cross-Entropy) need a GPU; this runs on both.

Shapes: T tokens, t tokens of a chunk, H hidden size, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

_CHUNK_BYTES = {"cpu": 64 * 2**20, "cuda": 512 * 2**20}
"""Size of one chunk's logits in float32: small keeps caches warm, large keeps a GPU busy."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Head:
    """A vocabulary head: logits = cap · tanh(scale · (weight · hidden + bias) / cap).

    `cap` None leaves the logits as they are (Gemma caps them, Cohere and Granite scale them).
    """

    weight_VH: torch.Tensor
    bias_V: torch.Tensor | None = None
    scale: float = 1.0
    cap: float | None = None

    @classmethod
    def of(cls, model: Any) -> Head | None:
        """Return the model's head, or None where it is not one linear layer."""
        layer = model.get_output_embeddings()
        if type(layer) is not torch.nn.Linear:
            return None
        config = model.config.get_text_config()
        scale = (getattr(config, "logit_scale", None) or 1.0) / (
            getattr(config, "logits_scaling", None) or 1.0
        )
        cap = getattr(config, "final_logit_softcapping", None)
        return cls(weight_VH=layer.weight, bias_V=layer.bias, scale=scale, cap=cap)

    def logits(self, hidden_tH: torch.Tensor) -> torch.Tensor:
        """Return the logits [t, V] in float32."""
        logits_tV = torch.nn.functional.linear(hidden_tH, self.weight_VH, self.bias_V).float()
        if self.scale != 1:
            logits_tV.mul_(self.scale)
        if self.cap is not None:
            logits_tV.div_(self.cap).tanh_().mul_(self.cap)
        return logits_tV

    def cap_slope(self, logits_tV: torch.Tensor) -> torch.Tensor | None:
        """Return d capped / d uncapped at these capped logits, or None without a cap."""
        return None if self.cap is None else 1 - (logits_tV / self.cap) ** 2

    def pull_back(self, slope_tV: torch.Tensor) -> torch.Tensor:
        """Return d loss / d hidden from d loss / d uncapped logits."""
        slope_tH = slope_tV.to(self.weight_VH.dtype) @ self.weight_VH
        return slope_tH if self.scale == 1 else slope_tH * self.scale


def chunk_bytes(device: torch.device) -> int:
    """Return how many bytes of float32 logits are held at once on a device."""
    return _CHUNK_BYTES.get(device.type, _CHUNK_BYTES["cuda"])


def token_losses(head: Head, hidden_TH: torch.Tensor, label_T: torch.Tensor) -> torch.Tensor:
    """Return -log p(label) of each token, [T], float32, differentiable in the hidden states alone.

    Args:
        head: frozen; its weights get no gradient.
        hidden_TH: the states that predict the labels.
        label_T: token ids.
    """
    chunk = max(1, chunk_bytes(hidden_TH.device) // (4 * len(head.weight_VH)))
    loss_T: torch.Tensor = _FusedLoss.apply(hidden_TH, label_T, head, chunk)  # type: ignore[no-untyped-call]
    return loss_T


class _FusedLoss(torch.autograd.Function):
    """The forward pass leaves each token's d loss / d hidden; the backward pass scales it."""

    @staticmethod
    def forward(
        ctx: Any, hidden_TH: torch.Tensor, label_T: torch.Tensor, head: Head, chunk: int
    ) -> torch.Tensor:
        loss_T = hidden_TH.new_empty(len(label_T), dtype=torch.float32)
        slope_TH = torch.empty_like(hidden_TH) if ctx.needs_input_grad[0] else None
        parts = math.ceil(len(label_T) / chunk)
        for part in torch.arange(len(label_T)).tensor_split(parts):  # of equal size
            rows = slice(int(part[0]), int(part[-1]) + 1)
            loss_T[rows], slope_tH = _chunk(
                head, hidden_TH[rows], label_T[rows], with_slope=slope_TH is not None
            )
            if slope_TH is not None and slope_tH is not None:
                slope_TH[rows] = slope_tH
        if slope_TH is not None:
            ctx.save_for_backward(slope_TH)
        return loss_T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream_T: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (slope_TH,) = ctx.saved_tensors
        return (upstream_T[:, None] * slope_TH).to(slope_TH.dtype), None, None, None


def _chunk(
    head: Head, hidden_tH: torch.Tensor, label_t: torch.Tensor, *, with_slope: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the losses, and d loss / d hidden; the logits are overwritten on the way."""
    logits_tV = head.logits(hidden_tH)
    curve_tV = head.cap_slope(logits_tV) if with_slope else None
    logits_tV -= logits_tV.amax(1, keepdim=True)
    own_t = logits_tV.gather(1, label_t[:, None])[:, 0]
    sum_t1 = logits_tV.exp_().sum(1, keepdim=True)
    loss_t = sum_t1[:, 0].log() - own_t
    if not with_slope:
        return loss_t, None
    slope_tV = logits_tV.div_(sum_t1)
    slope_tV.scatter_add_(1, label_t[:, None], torch.full_like(sum_t1, -1.0))
    if curve_tV is not None:
        slope_tV *= curve_tV
    return loss_t, head.pull_back(slope_tV)
