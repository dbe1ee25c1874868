"""Times of several ways to do the same, taken in turn so that a busy machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds of one way in each round: of the processor (this process), and on the wall.

    On a GPU both are the time between two events on its stream.
    """

    cpu_s: tuple[float, ...]
    wall_s: tuple[float, ...]


def interleaved(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, device: str
) -> dict[str, Times]:
    """Run all ways in turn, `rounds` times; callers have run each once before, to warm up."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(_timed(way, device))
    return {
        name: Times(cpu_s=tuple(cpu for cpu, _ in pairs), wall_s=tuple(wall for _, wall in pairs))
        for name, pairs in taken.items()
    }


def _timed(way: Callable[[], object], device: str) -> tuple[float, float]:
    if device.startswith("cuda"):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        way()
        end.record()
        torch.cuda.synchronize()
        seconds = start.elapsed_time(end) / 1000
        return seconds, seconds
    cpu, wall = time.process_time(), time.perf_counter()
    way()
    return time.process_time() - cpu, time.perf_counter() - wall


def matmul_peak(device: str, dtype: str, *, rounds: int = 10) -> float:
    """Return the operations a second of the best of several large square matrix products."""
    size = 8192 if device.startswith("cuda") else 1024
    left, right = (torch.randn(size, size, device=device).to(getattr(torch, dtype)) for _ in "ab")
    times = interleaved({"product": lambda: left @ right}, rounds=rounds, device=device)
    return float(2 * size**3 / min(times["product"].wall_s))
