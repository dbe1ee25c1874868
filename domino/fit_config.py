"""What a fit of soft tokens is: its lengths, its optimiser, its objective, its hold-out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from domino.objective import Form, Weights
from domino.shared_prefix import MemoryMode
from domino.soft_tokens import Initialisation
from domino.synthesizer import SynthesisError

WeightSchedule = Literal["constant", "warmup", "cosine"]
Padding = Literal["ignored", "labels"]


class FittingError(SynthesisError):
    """A fit that cannot start or go on: what, the value, the remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """How soft tokens are fitted.

    Attributes:
        domain_tokens: P, shared by all references.
        sample_tokens: Q, one set per reference, discarded after the fit.
        steps: optimiser steps.
        epochs: passes over the references, instead of `steps`.
        batch_size: references per step in each process; a remainder of one reference at the end of
            an epoch joins the batch before it.
        learning_rate: of Adam, with linear decay to 0; the paper uses 1e-3 for 7B models.
        clip_norm: maximum norm of the gradients, over all tokens of a step.
        dense_updates: Adam also updates the sample tokens outside the batch, by momentum.
        w_domain: weight of the domain term.
        w_reconstruction: weight of the reconstruction term.
        w_contrastive: maximum weight of the contrastive term.
        form: of the contrastive term, "bounded" or "official".
        temperature: of the bounded form.
        contrastive_schedule: "constant"; "warmup" increases linearly from 0 to `w_contrastive`;
            "cosine" decreases from it to 0 along half a cosine.
        contrastive_warmup: share of the steps in which "warmup" increases.
        padding: whether padding after shorter references has no loss ("ignored"), or is predicted
            like text ("labels", as in the official code).
        initialisation: "vocabulary", "text" (of `initial_text`) or "normal" (the paper's).
        initial_text: for "text".
        held_out: share of the references that only choose the checkpoint, if there are at least
            8; 0 trains on all and keeps the last step.
        evaluate_every: steps between evaluations of possible checkpoints.
        patience: evaluations without a new best after which the fit ends early; 0 disables this.
        guard_samples: samples to check a possible checkpoint for copies; 0 disables the check.
        guard_share: a checkpoint is skipped if more than this share of its samples copy a
            reference, or repeat each other.
        autocast: passes in bfloat16; tokens and losses remain in float32.
        gradient_caching: "always" or "never" run one prefix at a time, with less memory and more
            time; "auto" only if a step would not fit into memory otherwise.
        checkpoint_every: steps between checkpoints for resuming; 0 writes none.
    """

    domain_tokens: int = 16
    sample_tokens: int = 8
    steps: int = 300
    epochs: int | None = None
    batch_size: int = 4
    learning_rate: float = 1e-2
    clip_norm: float = 1.0
    dense_updates: bool = False
    w_domain: float = 1.0
    w_reconstruction: float = 1.0
    w_contrastive: float = 1.0
    form: Form = "bounded"
    temperature: float = 1.0
    contrastive_schedule: WeightSchedule = "constant"
    contrastive_warmup: float = 0.1
    padding: Padding = "ignored"
    initialisation: Initialisation = "vocabulary"
    initial_text: str = ""
    held_out: float = 0.15
    evaluate_every: int = 25
    patience: int = 0
    guard_samples: int = 8
    guard_share: float = 0.5
    autocast: bool = False
    gradient_caching: MemoryMode = "auto"
    checkpoint_every: int = field(default=50, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse values that no fit can follow."""
        least = {"domain_tokens": 1, "sample_tokens": 1, "steps": 1, "batch_size": 2}
        least |= {"evaluate_every": 1, "patience": 0, "guard_samples": 0, "checkpoint_every": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise FittingError(f"{name} is {getattr(self, name)}: give at least {low}")
        if self.epochs is not None and self.epochs < 1:
            raise FittingError(f"epochs is {self.epochs}: give at least 1, or leave it out")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise FittingError(f"{name} is {getattr(self, name)}: give a number above 0")
        self._check_shares()
        self._check_choices()
        _ = self.weights  # validates them

    def _check_shares(self) -> None:
        if not 0 <= self.held_out < 1:
            raise FittingError(f"held_out is {self.held_out}: give a share from 0 to below 1")
        if not 0 <= self.guard_share <= 1:
            raise FittingError(f"guard_share is {self.guard_share}: give a share from 0 to 1")
        if not 0 < self.contrastive_warmup <= 1:
            raise FittingError(
                f"contrastive_warmup is {self.contrastive_warmup}: give a share above 0, up to 1"
            )

    def _check_choices(self) -> None:
        choices: dict[str, Any] = {
            "contrastive_schedule": WeightSchedule,
            "padding": Padding,
            "initialisation": Initialisation,
            "gradient_caching": MemoryMode,
        }
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                known = ", ".join(map(repr, get_args(choice)))
                raise FittingError(f"{name} is {getattr(self, name)!r}: give one of {known}")
        if self.initialisation == "text" and not self.initial_text:
            raise FittingError("initialisation 'text' needs initial_text: give one, or another")

    @classmethod
    def official(cls) -> Self:
        """Return the paper's run as its public code does it (tongye98/DOMINO at d41f43e).

        N(0, 1) start, the pooled log over all i ≠ j of a batch, padding as labels, and the
        optimiser that its launch script gets from transformers' Trainer: AdamW without weight
        decay, which is Adam, over one dense table of sample tokens, gradients clipped at 1,
        linear decay without warm-up, every reference in training and the last step kept. A last
        batch of one, NaN there, joins the batch before it.
        """
        return cls(
            domain_tokens=256,
            sample_tokens=256,
            epochs=10,
            batch_size=3,
            learning_rate=1e-3,
            clip_norm=1.0,
            dense_updates=True,
            form="official",
            padding="labels",
            initialisation="normal",
            held_out=0.0,
            guard_samples=0,
        )

    @property
    def weights(self) -> Weights:
        """The objective's weights, the contrastive one at its highest."""
        return Weights(
            domain=self.w_domain,
            reconstruction=self.w_reconstruction,
            contrastive=self.w_contrastive,
            form=self.form,
            temperature=self.temperature,
        )

    def weights_at(self, step: int, total: int) -> Weights:
        """Return the objective's weights at a step from 1 to `total`, as the schedule has them."""
        factor = 1.0
        if self.contrastive_schedule == "warmup":
            factor = min(1.0, step / (self.contrastive_warmup * total))
        elif self.contrastive_schedule == "cosine":
            factor = (1 + math.cos(math.pi * (step - 1) / total)) / 2
        return dataclasses.replace(self.weights, contrastive=self.w_contrastive * factor)
