"""Interim analyses: tests of a growing experiment, by O'Brien and Fleming's spending within Holm.

An experiment is analysed as 4, 6, 8 and 10 seeds are there, and at the number at which it stands,
whatever that is. An estimate that uses all data so far has independent increments in its
information 1 / V, also where runs and problems are crossed: Z of an analysis times the root of its
share of the information is Brownian motion at that share (Jennison and Turnbull, 2000, ch. 3).
Shares are taken as of 10 seeds, or of the seeds that are there if they are more: problems that all
seeds have in common make the true ones larger and the tests conservative.

Up to a share t, a one-sided test at level a has spent 2 - 2 Phi(z(1 - a / 2) / root of t) of it,
which gives bounds like those of O'Brien and Fleming (1979) at any number of analyses (Lan and
DeMets, 1983); a two-sided test is two of half the level. The smallest level at which a contrast
would have been rejected so far is its sequential p (Liu and Anderson, 2008), and Holm's correction
of sequential p's tests every contrast at its analysis' level within Holm (Maurer and Bretz, 2013).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, Protocol, TypeVar

import numpy as np

from benchmarks.metrics.crossed import LEVEL, MIN_SEEDS, Floats
from benchmarks.metrics.intervals import holm

ANALYSES = (4, 6, 8, 10)
"""Seeds at which a run that goes on until all is decided is analysed."""

Verdict = Literal["better", "worse", "equivalent", "undecided"]
KeyT = TypeVar("KeyT", bound=Hashable)
_FAR = 9.0
_NODES = np.polynomial.legendre.leggauss(80)
_LEVELS, _BISECTIONS, _ROUNDING = 81, 50, 1e-14


class Tested(Protocol):
    """An estimate with its tests."""

    @property
    def value(self) -> Floats:
        """The estimate."""

    def p(self) -> Floats:
        """Return the two-sided p of 0."""

    def equivalence_p(self, margin: float) -> Floats:
        """Return the p of a value of the margin or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the analyses so far say of a contrast.

    Attributes:
        verdict: of the first method; better and worse need a significant difference, equivalent a
            difference that is significantly inside of the margin.
        p: of no difference: sequential where there are interim analyses, corrected by Holm.
        equivalence_p: of a difference of the margin or more, likewise.
    """

    verdict: Verdict
    p: float
    equivalence_p: float


def analyses_at(seeds: int) -> tuple[int, ...]:
    """Return the seeds at the analyses so far of an experiment that has so many."""
    return tuple(sorted({n for n in (*ANALYSES, seeds) if MIN_SEEDS <= n <= seeds}))


def decide(
    estimates: Mapping[KeyT, Mapping[int, Tested]],
    *,
    margin: float,
    interim: bool = False,
    level: float = LEVEL,
) -> dict[KeyT, Decision]:
    """Return what is decided of each contrast of one family.

    Of false differences and of false equivalences alike, a family has one with a probability of at
    most 1 - level.

    Args:
        estimates: of each contrast, by the seeds of its analyses, in ascending order.
        margin: differences of at most this size are equivalent.
        interim: whether all these analyses decide, by their bounds; else the last one does, alone.
        level: 1 - the error of the family.
    """
    differences, equivalences = [], []
    for by_seeds in estimates.values():
        ps = {seeds: float(one.p()) for seeds, one in by_seeds.items()}
        equal = {seeds: float(one.equivalence_p(margin)) for seeds, one in by_seeds.items()}
        last = max(by_seeds)
        differences.append(sequential_p(ps) if interim else ps[last])
        equivalences.append(sequential_p(equal, two_sided=False) if interim else equal[last])
    return {
        key: Decision(verdict=_verdict(by_seeds[max(by_seeds)], p, equal, 1 - level), p=p,
                      equivalence_p=equal)
        for (key, by_seeds), p, equal in zip(
            estimates.items(), holm(differences), holm(equivalences), strict=True
        )
    }  # fmt: skip


def _verdict(latest: Tested, p: float, equal: float, alpha: float) -> Verdict:
    if p <= alpha:
        return "better" if float(latest.value) > 0 else "worse"
    return "equivalent" if equal <= alpha else "undecided"


def sequential_p(ps: Mapping[int, float], *, two_sided: bool = True) -> float:
    """Return the smallest level at which one of the analyses so far would have rejected.

    Args:
        ps: the p of each analysis so far, uncorrected, by its seeds.
        two_sided: whether the p's are.
    """
    from scipy.special import ndtri

    scores = np.clip(-ndtri(np.array(list(ps.values())) / (1 + two_sided)), -_FAR, _FAR)
    quantiles, limits = _limits(_shares(tuple(ps)), two_sided)
    reached = max(np.interp(z, own, quantiles) for z, own in zip(scores, limits, strict=True))
    return float(_spent(reached, two_sided))


def bounds(level: float, seeds: tuple[int, ...] = ANALYSES) -> list[float]:
    """Return the two-sided p at which each analysis rejects where the total error is `level`.

    Args:
        level: the error.
        seeds: of the analyses.
    """
    from scipy.special import ndtr, ndtri

    quantiles, limits = _limits(_shares(seeds), two_sided=True)
    return [float(2 * ndtr(-np.interp(-ndtri(level / 4), quantiles, own))) for own in limits]


def _shares(seeds: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(n / max(ANALYSES[-1], *seeds) for n in seeds)


def _spent(quantiles: Floats, two_sided: bool) -> Floats:
    """Return the error that is spent at a share, of quantiles over its root."""
    from scipy.special import ndtr

    return np.asarray(np.minimum((2 + 2 * two_sided) * ndtr(-quantiles), 1.0))


@lru_cache(maxsize=256)
def _limits(shares: tuple[float, ...], two_sided: bool) -> tuple[Floats, Floats]:
    """Return quantiles of levels, and the bounds of Z [analyses, levels] of tests at these.

    By recursive integration (Armitage, McPherson and Rowe, 1969) with Gauss and Legendre's rule.
    Shapes: L levels, N nodes.
    """
    from scipy.special import ndtr, ndtri

    quantiles_L = np.linspace(ndtri(0.75) if two_sided else 0.0, 6.5, _LEVELS)
    error_KL = np.diff(
        [_spent(quantiles_L / np.sqrt(share), two_sided) for share in shares], axis=0, prepend=0.0
    )
    nodes_LN, weights_LN = np.zeros((_LEVELS, 1)), np.ones((_LEVELS, 1))
    found = []
    for (before, now), error_L in zip(pairwise((0.0, *shares)), error_KL, strict=True):
        spread = np.sqrt(now - before)
        low_L, high_L = np.full(_LEVELS, 0.0 if two_sided else -_FAR), np.full(_LEVELS, _FAR)
        for _ in range(_BISECTIONS):
            c_L1 = (low_L + high_L)[:, None] / 2
            beyond_LN = ndtr((nodes_LN - c_L1) / spread)
            if two_sided:
                beyond_LN = beyond_LN + ndtr((-c_L1 - nodes_LN) / spread)
            too_many_L = (weights_LN * beyond_LN).sum(axis=1) > error_L + _ROUNDING
            low_L = np.where(too_many_L, c_L1[:, 0], low_L)
            high_L = np.where(too_many_L, high_L, c_L1[:, 0])
        found.append(high_L / np.sqrt(now))
        start_L1 = (-high_L if two_sided else np.full(_LEVELS, -_FAR))[:, None]
        half_L1 = (high_L[:, None] - start_L1) / 2
        next_LN = start_L1 + half_L1 * (_NODES[0] + 1)
        steps_LNN = (next_LN[:, :, None] - nodes_LN[:, None, :]) / spread
        density_LN = (np.exp(-(steps_LNN**2) / 2) @ weights_LN[:, :, None])[..., 0] / spread
        nodes_LN, weights_LN = next_LN, density_LN * _NODES[1] * half_L1 / np.sqrt(2 * np.pi)
    return quantiles_L, np.maximum.accumulate(found, axis=1)
