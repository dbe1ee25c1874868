"""Muon in float32 does what torch's does in bfloat16, up to that rounding."""

import pytest
import torch

from benchmarks.suites.housestyle.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(2, 24, 48), (3, 16, 40), (3, 40, 16)])
def test_orthogonal_matrices_keep_their_vectors_and_lose_their_values(shape) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonal(matrices)
    assert made.shape == matrices.shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.4 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ made @ right.mT  # diagonal where the singular vectors are the same
    assert torch.allclose(inner, torch.diag_embed(inner.diagonal(dim1=1, dim2=2)), atol=1e-4)


def test_steps_are_those_of_torch_up_to_bfloat16() -> None:
    torch.manual_seed(0)
    starts = [torch.randn(12, 20), torch.randn(12, 20), torch.randn(20, 8)]
    ours, theirs = ([torch.nn.Parameter(s.clone()) for s in starts] for _ in range(2))
    first = Muon(ours, lr=0.01, weight_decay=0.1)
    second = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            gradient = torch.randn(a.shape)
            a.grad, b.grad = gradient.clone(), gradient.clone()
        first.step()
        second.step()
    for start, a, b in zip(starts, ours, theirs, strict=True):
        moved = (b - start).norm()
        assert moved > 0.01
        assert (a - b).norm() < 0.05 * moved
