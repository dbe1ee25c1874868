"""Interim analyses: tests of a growing experiment, with O'Brien and Fleming's bounds within Holm.

The run is analysed as 4, 6, 8 and 10 seeds are there. An estimate that uses all data so far has
independent increments in its information 1 / V, also where runs and problems are crossed: Z of
analysis k times the root of its share of the information is Brownian motion at that share (Jennison
and Turnbull, 2000, ch. 3). Shares are taken as of the seeds: problems that all seeds have in common
make the true ones larger and the tests conservative.

O'Brien and Fleming (1979) reject at analysis k where |Z| >= c / root of the share. The smallest
level at which a contrast would have been rejected so far is its sequential p (Liu and Anderson,
2008), and Holm's correction of sequential p's tests every contrast at its analysis' level within
Holm (Maurer and Bretz, 2013).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np

from benchmarks.metrics.crossed import LEVEL, Estimate, Floats
from benchmarks.metrics.intervals import holm

ANALYSES = (4, 6, 8, 10)
"""Seeds at which a run that goes on until all is decided is analysed."""

Verdict = Literal["better", "worse", "equivalent", "undecided"]
KeyT = TypeVar("KeyT", bound=Hashable)
_FAR = 9.0
_NODES = np.polynomial.legendre.leggauss(80)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the analyses so far say of a contrast.

    Attributes:
        verdict: of the first method; better and worse need a significant difference, equivalent a
            difference that is significantly inside of the margin.
        p: of no difference: sequential where there are several analyses, corrected by Holm.
        equivalence_p: of a difference of the margin or more, likewise.
    """

    verdict: Verdict
    p: float
    equivalence_p: float


def decide(
    estimates: Mapping[KeyT, Sequence[Estimate]],
    *,
    margin: float,
    analyses: Sequence[int] = (1,),
    level: float = LEVEL,
) -> dict[KeyT, Decision]:
    """Return what is decided of each contrast of one family.

    Of false differences and of false equivalences alike, a family has one with a probability of at
    most 1 - level.

    Args:
        estimates: of each contrast, one for each analysis so far, the first analysis first.
        margin: differences of at most this size are equivalent.
        analyses: seeds at all analyses that are planned; without interim analyses, any one number.
        level: 1 - the error of the family.
    """
    keys = list(estimates)
    differences = holm(
        [sequential_p([float(one.p()) for one in estimates[key]], analyses) for key in keys]
    )
    equivalences = holm(
        [
            sequential_p(
                [float(one.equivalence_p(margin)) for one in estimates[key]], analyses,
                two_sided=False,
            )
            for key in keys
        ]
    )  # fmt: skip
    return {
        key: Decision(verdict=_verdict(estimates[key], p, equal, 1 - level), p=p,
                      equivalence_p=equal)
        for key, p, equal in zip(keys, differences, equivalences, strict=True)
    }  # fmt: skip


def _verdict(estimates: Sequence[Estimate], p: float, equal: float, alpha: float) -> Verdict:
    if p <= alpha:
        return "better" if float(estimates[-1].value) > 0 else "worse"
    return "equivalent" if equal <= alpha else "undecided"


def sequential_p(
    ps: Sequence[float], analyses: Sequence[int] = ANALYSES, *, two_sided: bool = True
) -> float:
    """Return the smallest level at which one of the analyses so far would have rejected.

    Args:
        ps: the p of each analysis so far, uncorrected.
        analyses: seeds at all analyses that are planned.
        two_sided: whether the p's are.
    """
    from scipy.special import ndtri

    if len(analyses) == 1:
        return ps[0]
    shares = tuple(seeds / analyses[-1] for seeds in analyses)
    scores = -ndtri(np.asarray(ps) / (2 if two_sided else 1))
    reached = float((scores * np.sqrt(shares[: len(ps)])).max())
    return crossing(min(max(reached, -_FAR), _FAR), shares, two_sided=two_sided)


@lru_cache(maxsize=4096)
def crossing(c: float, shares: tuple[float, ...], *, two_sided: bool = True) -> float:
    """Return the probability that Brownian motion at these times is ever at or beyond c.

    By recursive integration (Armitage, McPherson and Rowe, 1969), with Gauss and Legendre's rule.
    """
    if two_sided and c <= 0:
        return 1.0
    low = -c if two_sided else -_FAR
    nodes, weights = _NODES
    points = low + (c - low) * (nodes + 1) / 2
    weights = weights * (c - low) / 2
    density = _normal(points, shares[0])
    for before, now in pairwise(shares):
        density = _normal(points[:, None] - points, now - before) @ (weights * density)
    return float(np.clip(1 - weights @ density, 0.0, 1.0))


def _normal(x: Floats, variance: float) -> Floats:
    return np.asarray(np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))


def bounds(level: float, analyses: Sequence[int] = ANALYSES) -> list[float]:
    """Return the two-sided p at which each analysis rejects where the total error is `level`."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    shares = tuple(seeds / analyses[-1] for seeds in analyses)
    c = brentq(lambda c: crossing(c, shares) - level, 0.01, _FAR)
    return [float(2 * norm.sf(c / np.sqrt(share))) for share in shares]
