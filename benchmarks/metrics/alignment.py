"""Whether two sets of embeddings come from one distribution.

Shapes: r references, n texts, D dimensions of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PERMUTATIONS = 500
FOLDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoSample:
    """A two-sample statistic with its p under "one distribution", by permutation.

    Attributes:
        value: the statistic.
        p: of a value at least as large.
        n: texts.
        references: references.
    """

    value: float
    p: float
    n: int
    references: int


def classifier_test(
    references_rD: Floats, texts_nD: Floats, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> TwoSample:
    """Return how well a linear classifier separates two sets (Lopez-Paz and Oquab, 2017).

    The value is the cross-validated accuracy on sets cut to one size, 0.5 where they are alike, of
    ridge regression on labels of -1 and 1 (Fisher's discriminant with shrinkage). p is by
    permutation of the labels within the folds, the classifier fitted anew each time (Golland and
    Fischl, 2003): the folds share their training points, so that right answers are not binomial.

    Raises:
        ValueError: a set has fewer than 2 × `FOLDS` points.
    """
    size = min(len(references_rD), len(texts_nD))
    if size < 2 * FOLDS:
        raise ValueError(f"the smaller set has {size} points: {2 * FOLDS} are needed for the folds")
    rng = np.random.default_rng(seed)
    points = np.concatenate(
        [rng.permutation(references_rD)[:size], rng.permutation(texts_nD)[:size]]
    )
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    kernel = points @ points.T / points.shape[1]
    fold = np.tile(np.arange(size) % FOLDS, 2)
    labels = np.tile(np.repeat([-1.0, 1.0], size)[:, None], 1 + permutations)
    for number in range(FOLDS):  # the first column stays as it is
        inside = fold == number
        labels[inside, 1:] = rng.permuted(labels[inside, 1:], axis=0)
    right = np.zeros(1 + permutations)
    for number in range(FOLDS):
        test, train = fold == number, fold != number
        shrunk = kernel[np.ix_(train, train)] + np.eye(int(train.sum()))
        scores = kernel[np.ix_(test, train)] @ np.linalg.solve(shrunk, labels[train])
        right += (scores * labels[test] > 0).sum(axis=0)
    p = float((right >= right[0]).sum() / (1 + permutations))
    value = float(right[0] / (2 * size))
    return TwoSample(value=value, p=p, n=len(texts_nD), references=len(references_rD))


def mmd(
    references_rD: Floats, texts_nD: Floats, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> TwoSample:
    """Return the unbiased squared maximum mean discrepancy (Gretton et al., 2012).

    A Gaussian kernel at the median distance of all points; p by permutation. The value is around
    0, and may be below it, where the sets are alike.

    Raises:
        ValueError: a set has fewer than two points.
    """
    from scipy.spatial.distance import cdist

    r, n = len(references_rD), len(texts_nD)
    if min(r, n) < 2:
        raise ValueError(f"{r} references and {n} texts: give at least 2 of each")
    points = np.concatenate([references_rD, texts_nD])
    squared = cdist(points, points, "sqeuclidean")
    width = float(np.median(squared[np.triu_indices(r + n, 1)])) or 1.0
    kernel = np.exp(-squared / width)
    np.fill_diagonal(kernel, 0.0)
    value = _mmd_of(kernel, np.arange(r + n) < r)
    rng = np.random.default_rng(seed)
    drawn = [_mmd_of(kernel, rng.permutation(r + n) < r) for _ in range(permutations)]
    p = (1 + sum(other >= value for other in drawn)) / (1 + permutations)
    return TwoSample(value=value, p=p, n=n, references=r)


def _mmd_of(kernel: Floats, first: NDArray[np.bool_]) -> float:
    """Return the unbiased estimate for one split; the kernel's diagonal is 0."""
    r, n = int(first.sum()), int((~first).sum())
    rows = kernel @ first
    within_first = rows[first].sum() / (r * (r - 1))
    across = rows[~first].sum() / (r * n)
    within_second = (kernel[~first].sum() - rows[~first].sum()) / (n * (n - 1))
    return float(within_first + within_second - 2 * across)
