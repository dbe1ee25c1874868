"""Prompt tuning: DOMINO without sample tokens, the ablation of its paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domino.fit_config import FittingError
from domino.method import DominoConfig, DominoSynthesizer


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptTuningConfig(DominoConfig):
    """DOMINO's options; only the domain term has a weight.

    Attributes:
        w_reconstruction: stays 0, so that no sample tokens are made.
        w_contrastive: stays 0.
    """

    w_reconstruction: float = 0.0
    w_contrastive: float = 0.0

    def __post_init__(self) -> None:
        """Refuse invalid values, and weights that would make it DOMINO.

        Raises:
            FittingError: names the option, its value and what to use instead.
        """
        DominoConfig.__post_init__(self)
        for name in ("w_reconstruction", "w_contrastive"):
            if value := getattr(self, name):
                raise FittingError(
                    f"prompt-tuning has no {name}, got {value}: remove it, or use domino"
                )


class PromptTuning(DominoSynthesizer):
    """P soft tokens that minimise the references' mean loss (Lester et al., arXiv 2104.08691).

    It is DOMINO's own fit, sampling and saving with two weights at 0, because an ablation that
    runs under a loop or limits of its own compares those instead. That the loss is prompt
    tuning's is checked against peft's own. Departures from Lester et al., and why: their tasks
    are input and target, and Adafactor trains at 0.3 for a T5; here the whole reference is the
    target, with DOMINO's Adam, decay, clipping and held-out choice of the step.
    """

    name: ClassVar[str] = "prompt-tuning"
    config_class: ClassVar[type[DominoConfig]] = PromptTuningConfig
