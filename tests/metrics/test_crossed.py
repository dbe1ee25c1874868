from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import nct, t

from benchmarks.metrics.crossed import Design, Estimate, contrast, difference, needed, predicted
from benchmarks.metrics.intervals import wilson
from tests.metrics import simulate

LMER = Path(__file__).parent / "lmer"


def tables(name: str) -> list[np.ndarray]:
    """The tables [runs, problems] of methods a and b."""
    frame = pd.read_csv(LMER / f"{name}.csv")
    wide = frame.pivot(index=["method", "seed"], columns="problem", values="outcome")
    return [wide.loc[method].to_numpy() for method in "ab"]


@pytest.mark.parametrize("name", ["binary", "shares", "deterministic"])
def test_estimate_error_degrees_of_freedom_and_p_are_lmertests(name: str) -> None:
    expected = pd.read_csv(LMER / "lmer.csv", comment="#", index_col="table").loc[name]
    found = difference(*tables(name))
    assert found.value == pytest.approx(expected["estimate"], rel=1e-6)
    assert found.error == pytest.approx(expected["error"], rel=1e-5)
    assert found.df == pytest.approx(expected["df"], rel=1e-5)
    assert found.p() == pytest.approx(expected["p"], rel=1e-5)


def test_a_deterministic_method_is_one_run_however_often_it_is_repeated() -> None:
    own, (fixed,) = tables("deterministic")
    once, often = difference(own, [fixed]), difference(own, [fixed] * 8)
    assert once.variance == pytest.approx(often.variance)
    assert once.df == pytest.approx(often.df)


@pytest.mark.parametrize("seed", range(20))
def test_the_variance_is_at_least_that_of_its_runs_and_that_of_its_problems(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = difference(rng.random((4, 12)), rng.random((4, 12)))
    whole = found.run + found.problem - found.residual
    assert found.variance == pytest.approx(max(found.run, found.problem, whole))
    assert sum(found.components()) == pytest.approx(found.variance)
    assert 2.5 <= found.df <= 6 + 11 + 66


def test_where_nothing_varies_p_is_1_and_the_interval_is_wilsons() -> None:
    same = np.tile(np.arange(128) < 40, (5, 1))
    found = difference(same, same)
    assert found.p() == 1.0
    low, high = found.interval()
    assert high == pytest.approx(wilson(0, 128)[1])
    assert low == -high


def test_near_the_floor_nothing_jumps() -> None:
    """A method that solves 0, 1, 2, ... programs of 5 x 128, all of other problems, and none."""
    solved = np.zeros((9, 5, 128))
    for n in range(9):
        solved[n, np.arange(n) % 5, np.arange(n)] = 1
    none = np.zeros((5, 128))
    found = [difference(table, none) for table in solved]
    for before, after in pairwise(found):
        for one, other in zip(before.interval(), after.interval(), strict=True):
            assert one - 0.015 < other < one + 0.015
        assert after.equivalence_p(0.03) == pytest.approx(before.equivalence_p(0.03), rel=0.3)
        assert before.detectable() == pytest.approx(after.detectable(), rel=0.1)


def test_more_problems_decide_a_pair_of_which_neither_solves_anything() -> None:
    none = np.zeros((5, 128))
    found, now = difference(none, none), Design(seeds=5, problems=128)
    assert 0.05 / 9 < found.equivalence_p(0.03) < 0.05
    larger = predicted(found, now, Design(seeds=5, problems=1024))
    assert larger.equivalence_p(0.03) < 1e-6
    assert larger.detectable() < found.detectable() / 4
    assert needed(found, now, 0.03, 9) == (Design(seeds=4, problems=1024),)


@pytest.mark.parametrize("kept", simulate.KEPT)
def test_neither_false_differences_nor_false_equivalences_grow_near_the_floor(kept: float) -> None:
    for *case, differ, equal, covered in simulate.floor_grid(500, kept=(kept,)):
        assert differ <= 0.07, case
        assert equal <= 0.07, case
        assert covered >= 0.92, case


def test_the_interval_holds_0_where_the_test_does_not_refuse_it() -> None:
    rng = np.random.default_rng(0)
    tables = simulate.near_floor(rng, 1000, 5, 128, (0.01, 0.03), 0.5)
    found = difference(*tables)
    low, high = found.interval()
    assert ((low > 0) | (high < 0)).tolist() == (found.p() < 0.05).tolist()


def test_a_difference_in_every_run_and_problem_is_found_unless_the_problems_are_few() -> None:
    assert difference(np.ones((5, 128)), np.zeros((5, 128))).p() < 1e-9
    assert difference(np.ones((5, 2)), np.zeros((5, 2))).p() > 0.05


def test_the_weights_of_a_contrast_are_those_of_the_means() -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.random((4, 30)) for _ in range(3))
    found = contrast([a, b, c], [1.0, -0.5, -0.5])
    assert found.value == pytest.approx(a.mean() - (b.mean() + c.mean()) / 2)
    assert contrast([a, b], [2.0, -2.0]).variance == pytest.approx(4 * difference(a, b).variance)


def test_tables_of_other_problems_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same problems: \(4, 3\), \(4, 4\)"):
        difference(np.zeros((4, 3)), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="same problems"):
        difference(np.zeros((4, 1)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match="shape"):
        difference(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        difference(np.full((4, 3), np.nan), np.zeros((4, 3)))


@pytest.mark.parametrize("comparisons", [1, 9])
def test_the_detectable_difference_has_the_power_of_the_noncentral_t(comparisons: int) -> None:
    found = difference(*tables("binary"))
    size = float(found.detectable(comparisons=comparisons) / found.error)
    limit = t.ppf(1 - 0.025 / comparisons, found.df)
    assert nct.sf(limit, float(found.df), size) == pytest.approx(0.8, abs=1e-6)


def test_equivalence_is_the_two_one_sided_tests() -> None:
    found = difference(*tables("shares"))
    low, high = found.interval(0.90)
    margin = max(-low, high)
    assert found.equivalence_p(margin) == pytest.approx(0.05)
    assert found.equivalence_p(1.1 * margin) < 0.05 < found.equivalence_p(0.9 * margin)


def test_another_design_has_the_variance_that_an_experiment_of_its_size_has() -> None:
    rng = np.random.default_rng(0)
    now, other = Design(seeds=5, problems=128), Design(seeds=8, problems=1024)
    small = simulate.estimates(rng, 300, 5, 128, 4)
    large = simulate.estimates(rng, 300, 8, 1024, 4)
    said = predicted(small, now, other)
    assert said.variance.mean() == pytest.approx(large.variance.mean(), rel=0.1)
    assert np.median(said.detectable()) == pytest.approx(np.median(large.detectable()), rel=0.1)
    same = predicted(small, now, now)
    assert same.variance == pytest.approx(small.variance)
    assert np.median(same.df / small.df) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("seeds", "seed_sd"), [(3, 8), (5, 2), (5, 4), (8, 8)])
def test_methods_that_are_alike_are_called_different_as_often_as_the_level_says(
    seeds: int, seed_sd: int
) -> None:
    rng = np.random.default_rng(0)
    rejected = (simulate.estimates(rng, 1000, seeds, 128, seed_sd).p() <= 0.05).mean()
    assert 0.025 <= rejected <= 0.065


def test_a_difference_of_the_detectable_size_is_found_in_80_percent() -> None:
    rng = np.random.default_rng(1)
    size = float(np.median(simulate.estimates(rng, 200, 5, 128, 4).detectable()))
    found = simulate.estimates(rng, 500, 5, 128, 4, 100 * size)
    assert (found.p() <= 0.05).mean() == pytest.approx(0.8, abs=0.05)


@pytest.mark.slow
def test_the_size_holds_over_the_grid() -> None:
    for seeds, problems, seed_sd, rejected in simulate.size_grid(4000):
        case = (seeds, problems, seed_sd)
        assert rejected <= 0.065, case
        if seeds >= 5 and seed_sd >= 4:
            assert rejected >= 0.03, case


@pytest.mark.parametrize("residual_share", [0.2, 0.5, 0.8])
def test_more_problems_do_what_a_review_of_the_stored_results_found(residual_share: float) -> None:
    """Seed sd 2.0 points and 7.5 points detectable at 5 x 128: 4.6 at 5 x 1,024, 3.5 at 8."""

    def estimate(rest: float) -> Estimate:
        residual, runs = rest * residual_share, 2 * 2.0**2 / 5
        run, problem, total = runs + residual, rest, runs + rest
        df = total**2 / (run**2 / 8 + problem**2 / 127)
        numbers = {"variance": total, "df": df, "run_df": 8.0, "run": run, "problem": problem,
                   "residual": residual, "problems": 128}  # fmt: skip
        return Estimate(**{name: np.asarray(numbers.get(name, 0.0)) for name in Estimate.__slots__})

    now = Design(seeds=5, problems=128)
    rest = brentq(lambda rest: float(estimate(rest).detectable()) - 7.5, 0.1, 30)
    for seeds, expected in ((5, 4.6), (8, 3.5)):
        larger = predicted(estimate(rest), now, Design(seeds=seeds, problems=1024))
        assert larger.detectable() == pytest.approx(expected, abs=0.2)
