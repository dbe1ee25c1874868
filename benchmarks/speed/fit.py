"""`fit`: one step of the fit, loss and gradients, the official way and ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.planning import flops
from benchmarks.speed.models import ModelPlacement, random_batch, random_model
from benchmarks.speed.official import WEIGHTS, official_objective
from benchmarks.speed.peak import extra_bytes, in_fresh_process
from benchmarks.speed.rows import SpeedRow, TimedCalls, rows
from benchmarks.speed.timing import interleaved, matmul_peak
from domino.objective import objective
from domino.shared_prefix import Text, loss_matrix

OFFICIAL, SHARED, CACHED = "official passes", "shared prefixes", "with gradient caching"
_TOLERANCE = {"float32": 1e-4}  # of the objective, between any two ways; else:
_HALF_TOLERANCE = 2e-2


@dataclass(frozen=True, kw_only=True, slots=True)
class FitPlan:
    """What to measure.

    Attributes:
        shape: of the model.
        place: device, dtype, attention, threads.
        domain: P, domain tokens.
        sample: Q, sample tokens of each reference.
        text: L, tokens of the longest reference.
        batch: B, references of a step.
        ragged: lengths fall evenly from L to L / 16, in place of L for all.
        rounds: how often each way is timed.
        memory: whether to measure peak memory, in a fresh process for each way.
    """

    shape: flops.ModelShape = field(default_factory=flops.ModelShape)
    place: ModelPlacement = field(default_factory=ModelPlacement)
    domain: int = 256
    sample: int = 256
    text: int = 256
    batch: int = 3
    ragged: bool = False
    rounds: int = 3
    memory: bool = True

    @property
    def lengths(self) -> list[int]:
        """Tokens of each reference."""
        fall = 15 / 16 / max(self.batch - 1, 1) if self.ragged else 0.0
        return [max(2, round(self.text * (1 - fall * place))) for place in range(self.batch)]

    @property
    def flops(self) -> dict[str, int]:
        """Operations of a step, by the model in `benchmarks.planning.flops`."""
        official = flops.official_step(self.domain, self.sample, self.lengths)
        shared = flops.shared_step(self.domain, self.sample, self.lengths)
        forward, step = shared.forward(self.shape), shared.step(self.shape)
        return {
            OFFICIAL: official.step(self.shape),
            SHARED: step,
            CACHED: forward + step,
        }


def measure(plan: FitPlan) -> list[SpeedRow]:
    """Return one row for each way: times, ratios and peak memory.

    Raises:
        RuntimeError: two ways do not compute the same objective and gradient.
    """
    peaks = {name: _peak(plan, name) if plan.memory else None for name in plan.flops}
    ways = _ways(plan)
    _check_agreement(plan, ways)
    times = interleaved(ways, rounds=plan.rounds, device=plan.place.device)
    tokens, needed = sum(plan.lengths), plan.flops
    done = {
        name: TimedCalls(tokens=tokens, flops=needed[name], peak_bytes=peaks[name]) for name in ways
    }
    return rows(times, done, matmul_peak(plan.place.device, plan.place.dtype))


def _ways(plan: FitPlan) -> dict[str, Callable[[], tuple[torch.Tensor, ...]]]:
    positions = plan.domain + plan.sample + plan.text
    model = random_model(plan.shape, plan.place, positions)
    batch = random_batch(model, plan.domain, plan.sample, plan.lengths)
    return {name: lambda name=name: _step(name, model, *batch) for name in plan.flops}  # type: ignore[misc]


def _step(
    name: str,
    model: Any,
    domain_PH: torch.Tensor,
    sample_BQH: torch.Tensor,
    texts: list[Text],
) -> tuple[torch.Tensor, ...]:
    """Return the objective and its gradient in the domain tokens and in the sample tokens."""
    if name == OFFICIAL:
        total = official_objective(model, domain_PH, sample_BQH, texts)
    else:
        caching = name == CACHED
        losses = loss_matrix(model, domain_PH, sample_BQH, texts, gradient_caching=caching)
        total = objective(*losses, WEIGHTS).total
    return total.detach(), *torch.autograd.grad(total, (domain_PH, sample_BQH))


def _check_agreement(
    plan: FitPlan, ways: dict[str, Callable[[], tuple[torch.Tensor, ...]]]
) -> None:
    """Run each way once: a fast step that computes something else is not fast."""
    tolerance = _TOLERANCE.get(plan.place.dtype, _HALF_TOLERANCE)
    want = ways[OFFICIAL]()
    for name in (SHARED, CACHED):
        for part, got, aim in zip(
            ("objective", "domain", "sample"), ways[name](), want, strict=True
        ):
            off = float((got - aim).norm() / aim.norm())
            if not off <= tolerance:
                raise RuntimeError(f"{name}: {part} is off by {off:.1e} from the {OFFICIAL}")


def _peak(plan: FitPlan, name: str) -> int | None:
    return in_fresh_process(_peak_here, plan, name)


def _peak_here(plan: FitPlan, name: str) -> int | None:
    """Peak memory of one step in this process, which must be a fresh one."""
    torch.set_num_threads(plan.place.threads)
    way = _ways(plan)[name]
    return extra_bytes(way, plan.place.device)
