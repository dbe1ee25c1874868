"""What a comparison can show, before there is any result: by assumed parts of the variance."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.crossed import MIN_SEEDS, Design, Estimate

OUTCOME_VARIANCE = 0.25
"""Of one program at a Pass@1 of 50 %, the largest that there is."""
METHOD_BY_PROBLEM, RESIDUAL = 0.25, 0.25
"""Shares of it; the other half is the problem's own, and cancels between methods."""
SEED_SD = 0.02
ASSUMED = (
    "at a Pass@1 of 50 %, half of the variance of outcomes being the problems' own, and runs of a "
    "method that differ by 2 points"
)


def detectable_difference(design: Design) -> float | None:
    """Return the minimum detectable difference of two methods, None for too few seeds or problems.

    In [0, 1]; 80 % power, two-sided at 5 %, one comparison.
    """
    if design.seeds < MIN_SEEDS or design.problems < 2:
        return None
    seeds, problems = design.seeds, design.problems
    residual = 2 * OUTCOME_VARIANCE * RESIDUAL / (seeds * problems)
    run = 2 * SEED_SD**2 / seeds + residual
    problem = 2 * OUTCOME_VARIANCE * METHOD_BY_PROBLEM / problems + residual
    variance = run + problem - residual
    run_df = 2 * (seeds - 1)
    df = variance**2 / (run**2 / run_df + problem**2 / (problems - 1))
    estimate = Estimate(
        value=np.zeros(()), variance=np.asarray(variance), df=np.asarray(df),
        run_df=np.asarray(float(run_df)), run=np.asarray(run), problem=np.asarray(problem),
        residual=np.asarray(residual), problems=np.asarray(float(problems)),
    )  # fmt: skip
    return float(estimate.detectable())
