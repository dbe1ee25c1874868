"""DOMINO's objective as pure functions of losses; no model in here.

Shapes: B references of a batch. `domain_B[j]` is CE(x_j | d), the mean loss per token of text j
behind the domain tokens alone; `loss_BB[i, j]` is CE(x_j | d, s_i), behind text i's sample tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

Form = Literal["bounded", "official"]


class ObjectiveError(ValueError):
    """Losses or weights from which no objective can be computed: what, the value, the remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Weight of each term, and the contrastive term's form.

    Attributes:
        domain: weight of the domain term.
        reconstruction: weight of the reconstruction term.
        contrastive: weight of the contrastive term.
        form: "bounded" (InfoNCE) or "official" (unbounded below).
        temperature: divides the losses in the bounded form.
    """

    domain: float = 1.0
    reconstruction: float = 1.0
    contrastive: float = 1.0
    form: Form = "bounded"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse invalid weights."""
        for name in ("domain", "reconstruction", "contrastive"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ObjectiveError(f"weight {name} is {value}: give a finite number, 0 or more")
        if not (self.domain or self.reconstruction or self.contrastive):
            raise ObjectiveError("all weights are 0: give at least one term a weight")
        if self.form not in ("bounded", "official"):
            raise ObjectiveError(f"contrastive form is {self.form!r}: give 'bounded' or 'official'")
        if not 0 < self.temperature < math.inf:
            raise ObjectiveError(f"temperature is {self.temperature}: give a number above 0")

    @property
    def needs_matrix(self) -> bool:
        """Whether any term looks at sample tokens."""
        return bool(self.reconstruction or self.contrastive)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Terms:
    """The objective and its terms, unweighted, each a scalar tensor (None: not computed)."""

    total: torch.Tensor
    domain: torch.Tensor
    reconstruction: torch.Tensor | None = None
    contrastive: torch.Tensor | None = None


def objective(domain_B: torch.Tensor, loss_BB: torch.Tensor | None, weights: Weights) -> Terms:
    """Return the weighted objective with its terms.

    Raises:
        ObjectiveError: a term needs the matrix and there is none, or it is smaller than 2 × 2.
    """
    domain = domain_term(domain_B)
    if not weights.needs_matrix:
        return Terms(total=weights.domain * domain, domain=domain)
    if loss_BB is None:
        raise ObjectiveError(
            "the reconstruction and contrastive terms need the matrix of losses, and got None: "
            "compute it, or set their weights to 0"
        )
    reconstruction = reconstruction_term(loss_BB)
    total = weights.domain * domain + weights.reconstruction * reconstruction
    if not weights.contrastive:
        return Terms(total=total, domain=domain, reconstruction=reconstruction)
    contrastive = contrastive_term(loss_BB, weights.form, weights.temperature)
    return Terms(
        total=total + weights.contrastive * contrastive,
        domain=domain,
        reconstruction=reconstruction,
        contrastive=contrastive,
    )


def domain_term(domain_B: torch.Tensor) -> torch.Tensor:
    """Mean loss behind the domain tokens alone."""
    return domain_B.float().mean()


def reconstruction_term(loss_BB: torch.Tensor) -> torch.Tensor:
    """Mean loss of each text behind the domain tokens and its own sample tokens."""
    return _square(loss_BB, least=1).diagonal().mean()


def contrastive_term(loss_BB: torch.Tensor, form: Form, temperature: float = 1.0) -> torch.Tensor:
    """The contrastive term in the named form; see `official` and `bounded`."""
    return official(loss_BB) if form == "official" else bounded(loss_BB, temperature)


def official(loss_BB: torch.Tensor) -> torch.Tensor:
    """Log of the mean over i ≠ j of exp(-loss[i, j]): one pooled log, unbounded below."""
    loss_BB = _square(loss_BB, least=2)
    own_BB = torch.eye(len(loss_BB), dtype=torch.bool, device=loss_BB.device)
    others = -loss_BB[~own_BB]
    return torch.logsumexp(others, 0) - math.log(len(others))


def bounded(loss_BB: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """InfoNCE: mean over j of -log of the share that text j's own sample tokens have in exp(-loss).

    The own pair stands in the denominator, so the term is at least 0.
    """
    score_BB = -_square(loss_BB, least=2) / temperature
    share_B = score_BB.diagonal() - torch.logsumexp(score_BB, 0)
    return -share_B.mean()


def _square(loss_BB: torch.Tensor, *, least: int) -> torch.Tensor:
    if loss_BB.ndim != 2 or loss_BB.shape[0] != loss_BB.shape[1]:
        raise ObjectiveError(
            f"the matrix of losses has shape {tuple(loss_BB.shape)}: it must be square, "
            "one row for each set of sample tokens and one column for each text"
        )
    if len(loss_BB) < least:
        raise ObjectiveError(
            f"the contrastive term needs a batch of at least {least} references, "
            f"got {len(loss_BB)}: raise batch_size, or merge a last batch of one into another"
        )
    return loss_BB.float()
