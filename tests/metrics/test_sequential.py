import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.metrics.crossed import difference
from benchmarks.metrics.sequential import ANALYSES, analyses_at, bounds, decide, sequential_p
from tests.metrics import simulate


def test_the_bounds_are_those_that_lan_and_demets_spending_is_known_for():
    """Five equal steps, two-sided 5 %: 4.877, 3.357, 2.680, 2.290, 2.031 (ldbounds, gsDesign)."""
    scores = [norm.isf(p / 2) for p in bounds(0.05, (4, 8, 12, 16, 20))]
    assert scores == pytest.approx([4.8769, 3.3570, 2.6803, 2.2898, 2.0310], abs=1e-3)


@pytest.mark.parametrize("seeds", [ANALYSES, (4, 5), (4, 6, 7), (4, 6, 8, 10, 12)])
def test_brownian_motion_is_beyond_a_bound_as_often_as_the_level_that_is_spent(seeds):
    shares = np.array(seeds) / max(10, seeds[-1])
    steps = np.sqrt(np.diff(shares, prepend=0.0))
    paths = (np.random.default_rng(0).normal(size=(200_000, len(steps))) * steps).cumsum(axis=1)
    scores = paths / np.sqrt(shares)
    for level in (0.05, 0.3):
        limits = [norm.isf(p / 2) for p in bounds(level, seeds)]
        spent = 4 * norm.sf(norm.isf(level / 4) / np.sqrt(shares[-1]))
        assert (np.abs(scores) >= limits).any(axis=1).mean() == pytest.approx(spent, abs=0.003)
    one_sided = [sequential_p(dict(zip(seeds, norm.sf(path), strict=True)), two_sided=False)
                 for path in scores[:4000]]  # fmt: skip
    spent = 2 * norm.sf(norm.isf(0.1) / np.sqrt(shares[-1]))
    assert np.mean(np.array(one_sided) <= 0.2) == pytest.approx(spent, abs=0.02)


@pytest.mark.parametrize(
    ("seeds", "analyses"),
    [(3, ()), (4, (4,)), (5, (4, 5)), (7, (4, 6, 7)), (10, ANALYSES), (12, (*ANALYSES, 12))],
)
def test_an_experiment_is_analysed_at_the_seeds_that_it_has(seeds, analyses):
    assert analyses_at(seeds) == analyses


@pytest.mark.parametrize("level", [0.05, 0.05 / 9])
def test_a_sequential_p_is_at_the_level_where_an_analysis_is_at_its_bound(level):
    limits = bounds(level)
    assert limits == sorted(limits)
    for place, limit in enumerate(limits):
        ps = {seeds: limit if n == place else 1.0 for n, seeds in enumerate(ANALYSES)}
        so_far = dict(list(ps.items())[: place + 1])
        assert sequential_p(so_far) == pytest.approx(level, rel=1e-3)
        assert sequential_p(ps) == pytest.approx(level, rel=1e-3)


def test_a_single_analysis_of_all_seeds_is_the_test_itself():
    for two_sided in (True, False):
        assert sequential_p({10: 0.0123}, two_sided=two_sided) == pytest.approx(0.0123, rel=1e-3)


def test_a_one_sided_p_of_a_half_rejects_nothing():
    assert sequential_p({4: 0.5}, two_sided=False) > 0.4
    assert sequential_p({4: float(norm.sf(5))}, two_sided=False) < 0.05


@pytest.mark.parametrize(("p", "least", "most"), [(1.0, 0.97, 1.0), (0.0, 0.0, 1e-6)])
def test_a_p_at_its_end_stays_there(p, least, most):
    for two_sided in (True, False):
        assert least <= sequential_p({4: p, 6: p}, two_sided=two_sided) <= most


def tables(*skills, seeds=8):
    rng = np.random.default_rng(1)
    return simulate.results(rng, 1, seeds, 2048, 1, tuple(map(simulate.skill, skills)))[:, 0]


def test_contrasts_are_better_worse_equivalent_or_undecided():
    worst, middle, same, best = tables(-10, 0, 0, 10)
    found = decide(
        {
            "better": {8: difference(best, worst)},
            "worse": {8: difference(worst, best)},
            "equivalent": {8: difference(same, middle)},
        },
        margin=0.05,
    )
    assert all(decision.verdict == key for key, decision in found.items())
    small = difference(same[:4, :100], middle[:4, :100])
    assert decide({"x": {4: small}}, margin=0.03)["x"].verdict == "undecided"


def test_what_was_decided_at_an_interim_analysis_stays_decided():
    best, worst = tables(10, -10, seeds=10)
    at = {n: difference(best[:n], worst[:n]) for n in ANALYSES}
    one, two = (
        decide({"x": {n: at[n] for n in ANALYSES[:k]}}, margin=0.03, interim=True)["x"]
        for k in (1, 2)
    )
    assert one.verdict == two.verdict == "better"
    assert two.p <= one.p


def test_an_early_analysis_needs_more_than_a_last_one():
    best, worst = tables(4, 0, seeds=10)
    at = {"x": {4: difference(best[:4], worst[:4])}}
    assert decide(at, margin=0.03, interim=True)["x"].p > 3 * decide(at, margin=0.03)["x"].p


def test_methods_that_are_alike_raise_a_false_alarm_in_at_most_5_percent_of_families():
    assert simulate.false_alarms(300) <= 0.055


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "seed_sd"), [(128, 2), (128, 8)])
def test_the_default_family_has_false_alarms_in_at_most_5_percent_of_4000_runs(problems, seed_sd):
    assert simulate.false_alarms(4000, problems=problems, seed_sd=seed_sd) <= 0.055
