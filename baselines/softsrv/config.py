"""The settings of SoftSRV."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from baselines.base import at_least

Form = Literal["none", "mixture", "mlp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftSRVConfig:
    """Options of SoftSRV; lengths, steps, batch and hold-out have the defaults of DOMINO's fit.

    Attributes:
        form: "none" ignores the context, "mixture" weighs several prompts by it, "mlp" adds a
            small network's output to one prompt.
        prompt_tokens: P.
        prompts: K, for "mixture".
        width: hidden units, for "mlp".
        steps: optimiser steps.
        batch_size: references of a step.
        learning_rate: of Adam, decaying linearly to 0; a network wants less than bare tokens do.
        clip_norm: gradients are scaled down to this norm, all parameters together.
        held_out: share of the references that only choose the step that is kept, where there are
            at least 8.
        evaluate_every: steps between held-out losses.
        requests_per_call: requests sent to the engine together; the data do not depend on it.
    """

    form: Form = "mlp"
    prompt_tokens: int = 16
    prompts: int = 4
    width: int = 64
    steps: int = 300
    batch_size: int = 4
    learning_rate: float = 3e-3
    clip_norm: float = 1.0
    held_out: float = 0.15
    evaluate_every: int = 25
    requests_per_call: int = 128

    def __post_init__(self) -> None:
        """Refuse values that no fit can follow."""
        at_least(self, prompt_tokens=1, prompts=1, width=1, steps=1, batch_size=1)
        at_least(self, evaluate_every=1, requests_per_call=1)
        if self.form not in get_args(Form):
            raise ValueError(f"SoftSRVConfig.form is {self.form!r}: give none, mixture or mlp")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"SoftSRVConfig.{name} is {value}: give a number above 0")
        if not 0 <= self.held_out < 1:
            raise ValueError(
                f"SoftSRVConfig.held_out is {self.held_out}: give a share from 0 to below 1"
            )
