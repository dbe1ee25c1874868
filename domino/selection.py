"""Which step's domain tokens are kept: the lowest held-out loss whose samples do not copy.

Shapes: P domain tokens, H hidden size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from domino.diagnostics import Guard
from domino.distributed import World
from domino.fit_config import FitConfig
from domino.fit_losses import FitLosses
from domino.shared_prefix import Text


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """Domain tokens [P, H] of one step, float32 on the CPU, and what was measured of them.

    Attributes:
        domain_PH: the tokens.
        step: the step that they were taken at.
        measured: `held_out`, `copy_rate` and `distinct_rate`, where there was something to
            measure them on.
        excess: by how much the samples' worst rate is above the share that the guard allows.
    """

    domain_PH: torch.Tensor
    step: int
    measured: Mapping[str, float]
    excess: float

    @property
    def rank(self) -> tuple[float, float]:
        """The lower, the better: what copies least, then the lowest loss, else the last step."""
        return self.excess, self.measured.get("held_out", -float(self.step))


class Selection:
    """Keeps the best candidate so far, and says when none better comes.

    Where all candidates copy too much, the one that copies least is kept.

    Args:
        passes: from soft tokens and texts to losses.
        texts: those held out; where there are none the last step is the best.
        config: `guard_share` and `patience`.
        guard: what draws samples, None for no guard.
        world: the processes that fit together; the first one measures for all.
    """

    def __init__(
        self,
        passes: FitLosses,
        texts: Sequence[Text],
        config: FitConfig,
        *,
        guard: Guard | None = None,
        world: World | None = None,
    ) -> None:
        self._passes, self._texts, self._config = passes, texts, config
        self._guard = guard if config.guard_samples else None
        self._world = World() if world is None else world
        self.best: Candidate | None = None
        self._fruitless = 0

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self._config.patience <= self._fruitless

    def look(self, domain_PH: torch.Tensor, step: int) -> dict[str, float]:
        """Measure the tokens of a step, keep them where they are the best, return what was seen.

        Samples are drawn only of tokens that would become the best: others cannot be chosen.
        """
        candidate = self._world.from_first(lambda: self._measure(_copy(domain_PH), step))
        if self.best is None or candidate.rank < self.best.rank:
            self.best, self._fruitless = candidate, 0
        else:
            self._fruitless += 1
        return dict(candidate.measured)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain data and tensors."""
        best = None
        if self.best is not None:  # not asdict, which would copy the tokens
            names = [field.name for field in dataclasses.fields(Candidate)]
            best = {name: getattr(self.best, name) for name in names}
        return {"best": best, "fruitless": self._fruitless}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.best = None if state["best"] is None else Candidate(**state["best"])
        self._fruitless = state["fruitless"]

    def _measure(self, domain_PH: torch.Tensor, step: int) -> Candidate:
        measured = {}
        if self._texts:
            on_device = domain_PH.to(self._passes.model.device)
            measured["held_out"] = self._passes.held_out(on_device, self._texts)
        plain = Candidate(domain_PH=domain_PH, step=step, measured=measured, excess=0.0)
        if self._guard is None or (self.best is not None and plain.rank >= self.best.rank):
            return plain
        rates = self._guard.rates(domain_PH)
        worst = max(rates["copy_rate"], 1 - rates["distinct_rate"])
        excess = max(0.0, worst - self._config.guard_share)
        return dataclasses.replace(plain, measured=measured | rates, excess=excess)


def _copy(domain_PH: torch.Tensor) -> torch.Tensor:
    return domain_PH.detach().float().cpu().clone()
