"""The unbiased estimator of pass@k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return the chance that k of the n samples, drawn without replacement, hold a correct one.

    This is 1 - C(n-c, k) / C(n, k), as a product: the binomials themselves overflow.

    Args:
        n: samples of each problem, any shape.
        c: correct ones among them, broadcast against `n`.
        k: samples drawn, at least 1 and at most every n.

    Returns:
        An estimate for each problem, in the broadcast shape.

    Raises:
        ValueError: k or a count is out of range.
    """
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    if n_.size and not 1 <= k <= n_.min():
        raise ValueError(f"k is {k} with {n_.min()} samples: give k from 1 to the samples")
    if np.any(c_ < 0) or np.any(c_ > n_):
        raise ValueError(f"correct counts must lie in 0..n, got {c_.min()} to {c_.max()}")
    drawn = np.arange(k)
    wrong_left = np.maximum(n_[..., None] - c_[..., None] - drawn, 0)
    missed = wrong_left / (n_[..., None] - drawn)
    result: NDArray[np.float64] = 1.0 - missed.prod(axis=-1)
    return result


def mean_pass_at_k(n: int, correct: Sequence[int], k: int) -> float:
    """Return the mean of pass@k over problems with `n` samples each.

    Raises:
        ValueError: there is no problem, or a count is out of range.
    """
    if not len(correct):
        raise ValueError("pass@k over no problems has no value: load at least one")
    return float(pass_at_k(n, list(correct), k).mean())
