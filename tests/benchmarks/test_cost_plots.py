"""Pass@1 against what it cost."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.report.cost_plots import _mean, cost_figures

COSTS = {"no-data": (20.0, 0), "few-shot": (400.0, 240)}
"""Processor seconds and tokens for pairs, of the first seed."""


def row(method: str, seeds: int) -> Any:
    score = SimpleNamespace(value=0.3, low=0.2, high=0.4, seeds=tuple(range(seeds)))
    return SimpleNamespace(method=method, scores=[score] if seeds else [])


def frame(seeds: int, cpu: float | None = 1.0) -> pd.DataFrame:
    lines = [
        {
            "method": method, "seed": seed, "stage": stage, "seconds": 7.0,
            "cpu_seconds": cpu and cpu * seconds * (1 + seed) / 2, "tokens": tokens / 2,
        }
        for method, (seconds, tokens) in COSTS.items()
        for seed in range(seeds)
        for stage in ("synthesize", "respond", "evaluate")
    ]  # fmt: skip
    made = pd.DataFrame(lines)
    return made.assign(cpu_seconds=made["cpu_seconds"].astype(float))


def test_costs_are_means_over_seeds_of_all_stages_and_of_tokens_for_pairs() -> None:
    seconds, tokens = cost_figures([row("no-data", 4), row("few-shot", 4)], frame(4))
    # three stages of 10 and of 200 seconds with the first seed, 2.5 times as much on average
    assert "no-data 30.0 % for 75; few-shot 30.0 % for 1,500." in seconds.alternative
    assert "no-data 30.0 % for 0; few-shot 30.0 % for 240." in tokens.alternative
    assert "processor seconds per seed, all stages" in seconds.svg


def test_the_cost_has_an_interval_from_four_seeds_on() -> None:
    import numpy as np
    from scipy.stats import t

    of_seeds = [300.0 * (1 + seed) for seed in range(4)]
    assert _mean(of_seeds[:3]) == (600.0, 0.0)
    mean, half = _mean(of_seeds)
    low, high = t.interval(0.95, 3, np.mean(of_seeds), np.std(of_seeds, ddof=1) / 2)
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_wall_seconds_stand_in_where_no_processor_seconds_were_counted() -> None:
    seconds, _ = cost_figures([row("few-shot", 1)], frame(1, cpu=None))
    assert seconds.title == "Pass@1 by seconds per seed, all stages"
    assert "few-shot 30.0 % for 21." in seconds.alternative


def test_nothing_is_drawn_without_a_score() -> None:
    assert cost_figures([row("few-shot", 0)], frame(1)) == []
