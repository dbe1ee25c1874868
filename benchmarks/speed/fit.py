"""`fit`: one step of the fit, loss and gradients, the official way and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.planning import flops
from benchmarks.speed.models import random_batch, random_model
from benchmarks.speed.official import WEIGHTS, official_objective
from benchmarks.speed.peak import extra_bytes, in_fresh_process
from benchmarks.speed.plans import FitPlan
from benchmarks.speed.rows import SpeedRow, TimedCalls, rows
from benchmarks.speed.timing import interleaved, matmul_peak
from domino.objective import objective
from domino.shared_prefix import Text, loss_matrix

OFFICIAL, SHARED, CACHED = "official passes", "shared prefixes", "with gradient caching"
NAMES = (OFFICIAL, SHARED, CACHED)
_TOLERANCE = {"float32": 1e-4}  # of the objective, between any two ways; else:
_HALF_TOLERANCE = 2e-2


def measure(plan: FitPlan) -> list[SpeedRow]:
    """Return one row for each way: times, ratios and peak memory.

    Raises:
        RuntimeError: two ways do not compute the same objective and gradient.
    """
    peaks = {name: _peak(plan, name) if plan.memory else None for name in NAMES}
    ways = _ways(plan)
    _check_agreement(plan, ways)
    times = interleaved(ways, rounds=plan.rounds, device=plan.place.device)
    tokens, needed = sum(plan.lengths), _operations(plan)
    done = {
        name: TimedCalls(tokens=tokens, flops=needed[name], peak_bytes=peaks[name]) for name in ways
    }
    return rows(times, done, matmul_peak(plan.place.device, plan.place.dtype))


def _operations(plan: FitPlan) -> dict[str, int]:
    """Return the FLOPs of a step, as counted by `benchmarks.planning.flops`."""
    official = flops.official_step(plan.domain_tokens, plan.sample_tokens, plan.lengths)
    shared = flops.shared_step(plan.domain_tokens, plan.sample_tokens, plan.lengths)
    forward, step = shared.forward(plan.shape), shared.step(plan.shape)
    return {OFFICIAL: official.step(plan.shape), SHARED: step, CACHED: forward + step}


def _ways(plan: FitPlan) -> dict[str, Callable[[], tuple[torch.Tensor, ...]]]:
    positions = plan.domain_tokens + plan.sample_tokens + plan.text_tokens
    model = random_model(plan.shape, plan.place, positions)
    batch = random_batch(model, plan.domain_tokens, plan.sample_tokens, plan.lengths)
    return {name: lambda name=name: _step(name, model, *batch) for name in NAMES}  # type: ignore[misc]


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
