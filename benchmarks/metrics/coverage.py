"""How one set of embeddings covers the support of another.

Shapes: r references, n texts, D dimensions of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEIGHBOURS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """How texts lie among references; balls reach to a point's k-th neighbour in its own set.

    Attributes:
        n: texts.
        references: references.
        neighbours: k; smaller where a set has no more than k points.
        precision: share of the texts inside any reference's ball (Kynkäänniemi et al., 2019).
        recall: share of the references inside any text's ball.
        density: references' balls that a text lies in, over k; above 1 where texts crowd around
            typical references (Naeem et al., 2020).
        coverage: share of the references whose ball holds a text.
    """

    n: int
    references: int
    neighbours: int
    precision: float
    recall: float
    density: float
    coverage: float


def coverage(references_rD: Floats, texts_nD: Floats, *, neighbours: int = NEIGHBOURS) -> Coverage:
    """Return how texts cover the references' support.

    Raises:
        ValueError: a set has fewer than two points, or `neighbours` is below 1.
    """
    r, n = len(references_rD), len(texts_nD)
    if min(r, n) < 2 or neighbours < 1:
        raise ValueError(
            f"{r} references, {n} texts, {neighbours} neighbours: a ball needs another point of "
            "its set, so give at least 2, 2 and 1"
        )
    k = min(neighbours, r - 1, n - 1)
    distance_rn = _distances(references_rD, texts_nD)
    in_reference_rn = distance_rn <= _radii(references_rD, k)[:, None]
    in_text_rn = distance_rn <= _radii(texts_nD, k)[None]
    return Coverage(
        n=n,
        references=r,
        neighbours=k,
        precision=float(in_reference_rn.any(0).mean()),
        recall=float(in_text_rn.any(1).mean()),
        density=float(in_reference_rn.sum(0).mean() / k),
        coverage=float(in_reference_rn.any(1).mean()),
    )


def _radii(points: Floats, k: int) -> Floats:
    """Return each point's distance to its k-th neighbour in its own set."""
    radii: Floats = np.sort(_distances(points, points), axis=1)[:, k]  # the 0th is the point itself
    return radii


def _distances(left: Floats, right: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    distances: Floats = cdist(left, right)
    return distances
