"""Muon in float32: as fast as the processor's matrix products, with or without bfloat16.

Jordan et al., 2024 (https://kellerjordan.github.io/posts/muon/), with the scale of Liu et al., 2025
(https://arxiv.org/abs/2502.16982), so that the learning rate means what it does for AdamW.
`torch.optim.Muon` does the same in bfloat16, which old processors emulate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
SCALE = 0.2  # the root mean square of AdamW's usual step


class Muon(torch.optim.Optimizer):
    """Momentum whose update of a matrix is replaced by the nearest half-orthogonal matrix."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        """Take parameters of two dimensions."""
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix; matrices of one shape [R, C] go through one product, [N, R, C]."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                by_shape.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in by_shape.items():
                updates_NRC = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
                scale = SCALE * max(shape) ** 0.5
                for matrix, update in zip(matrices, orthogonal(updates_NRC), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, matrix: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """Return Nesterov's momentum of the gradient."""
        assert matrix.grad is not None
        average = self.state[matrix].setdefault("average", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


def orthogonal(matrices_NRC: torch.Tensor) -> torch.Tensor:
    """Return matrices with the same singular vectors and singular values near 1, [N, R, C]."""
    wide = matrices_NRC.shape[1] <= matrices_NRC.shape[2]
    x_NRC = matrices_NRC if wide else matrices_NRC.mT
    x_NRC = x_NRC / (x_NRC.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        product_NRR = x_NRC @ x_NRC.mT
        x_NRC = a * x_NRC + (b * product_NRR + c * product_NRR @ product_NRR) @ x_NRC
    result: torch.Tensor = x_NRC if wide else x_NRC.mT
    return result
