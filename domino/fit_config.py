"""What a fit of soft tokens is: its lengths, its optimiser, its objective, its hold-out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from domino.objective import Form, Weights
from domino.soft_tokens import Initialisation
from domino.synthesizer import SynthesisError


class FittingError(SynthesisError):
    """A fit that cannot start or go on: what, the value, the remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """How soft tokens are fitted.

    Attributes:
        domain_tokens: P, shared by all references.
        sample_tokens: Q, one set for each reference, thrown away after the fit.
        steps: optimiser steps.
        epochs: passes over the references, instead of `steps`.
        batch_size: references of a step; a last batch of one joins the one before it.
        learning_rate: of Adam, decaying linearly to 0; 1e-3 is the paper's, for 7B models.
        clip_norm: gradients are scaled down to this norm, all tokens of a step together.
        w_domain: weight of the domain term.
        w_reconstruction: weight of the reconstruction term.
        w_contrastive: weight of the contrastive term.
        form: of the contrastive term, "bounded" or "official".
        temperature: of the bounded form.
        initialisation: "vocabulary", "text" (of `initial_text`) or "normal" (the paper's).
        initial_text: for "text".
        held_out: share of the references that only choose the checkpoint, where there are at
            least 8; 0 trains on all and keeps the last step.
        evaluate_every: steps between held-out losses.
        patience: held-out losses without a new best before the fit ends early; 0 never ends it.
    """

    domain_tokens: int = 16
    sample_tokens: int = 8
    steps: int = 300
    epochs: int | None = None
    batch_size: int = 4
    learning_rate: float = 1e-2
    clip_norm: float = 1.0
    w_domain: float = 1.0
    w_reconstruction: float = 1.0
    w_contrastive: float = 1.0
    form: Form = "bounded"
    temperature: float = 1.0
    initialisation: Initialisation = "vocabulary"
    initial_text: str = ""
    held_out: float = 0.15
    evaluate_every: int = 25
    patience: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no fit can follow."""
        least = {"domain_tokens": 1, "sample_tokens": 1, "steps": 1, "batch_size": 2}
        for name, low in (least | {"evaluate_every": 1, "patience": 0}).items():
            if getattr(self, name) < low:
                raise FittingError(f"{name} is {getattr(self, name)}: give at least {low}")
        if self.epochs is not None and self.epochs < 1:
            raise FittingError(f"epochs is {self.epochs}: give at least 1, or leave it out")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise FittingError(f"{name} is {getattr(self, name)}: give a number above 0")
        if not 0 <= self.held_out < 1:
            raise FittingError(f"held_out is {self.held_out}: give a share from 0 to below 1")
        if self.initialisation == "text" and not self.initial_text:
            raise FittingError("initialisation 'text' needs initial_text: give one, or another")
        _ = self.weights  # validates them

    @property
    def weights(self) -> Weights:
        """The objective's weights."""
        return Weights(
            domain=self.w_domain,
            reconstruction=self.w_reconstruction,
            contrastive=self.w_contrastive,
            form=self.form,
            temperature=self.temperature,
        )
