import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.metrics.crossed import difference
from benchmarks.metrics.sequential import ANALYSES, bounds, crossing, decide, sequential_p
from tests.metrics import simulate

SHARES = tuple(seeds / ANALYSES[-1] for seeds in ANALYSES)


@pytest.mark.parametrize(
    ("analyses", "constant"), [(1, 1.960), (2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)]
)
def test_the_bounds_are_those_of_jennison_and_turnbulls_table_2_3(analyses, constant):
    shares = tuple(k / analyses for k in range(1, analyses + 1))
    assert crossing(constant, shares) == pytest.approx(0.05, abs=1e-4)


def test_crossing_is_that_of_simulated_brownian_motion():
    steps = np.diff((0.0, *SHARES))
    paths = np.random.default_rng(0).normal(0, np.sqrt(steps), (200_000, len(steps))).cumsum(axis=1)
    for c in (0.5, 1.5, 2.0, 2.8):
        assert crossing(c, SHARES) == pytest.approx((np.abs(paths) >= c).any(1).mean(), abs=0.003)
        one_sided = crossing(c, SHARES, two_sided=False)
        assert one_sided == pytest.approx((paths >= c).any(1).mean(), abs=0.003)


@pytest.mark.parametrize("level", [0.05, 0.05 / 9])
def test_a_sequential_p_is_at_the_level_where_an_analysis_is_at_its_bound(level):
    limits = bounds(level)
    assert limits == sorted(limits)
    for so_far, limit in enumerate(limits, 1):
        ps = [1.0] * (so_far - 1) + [limit]
        assert sequential_p(ps) == pytest.approx(level, rel=1e-6)
        assert sequential_p([*ps, *[1.0] * (len(limits) - so_far)]) == pytest.approx(level)


def test_one_analysis_is_the_test_itself():
    assert sequential_p([0.0123], analyses=(5,)) == 0.0123


def test_a_one_sided_p_of_a_half_rejects_nothing():
    assert sequential_p([0.5], two_sided=False) > 0.4
    assert sequential_p([float(norm.sf(5))], two_sided=False) < 0.05


@pytest.mark.parametrize(("p", "expected"), [(1.0, 1.0), (0.0, 0.0)])
def test_a_p_at_its_end_stays_there(p, expected):
    for two_sided in (True, False):
        assert sequential_p([p], two_sided=two_sided) == pytest.approx(expected, abs=1e-9)


def tables(*skills, seeds=8):
    rng = np.random.default_rng(1)
    return simulate.results(rng, 1, seeds, 2048, 1, tuple(map(simulate.skill, skills)))[:, 0]


def test_contrasts_are_better_worse_equivalent_or_undecided():
    worst, middle, same, best = tables(-10, 0, 0, 10)
    found = decide(
        {
            "better": [difference(best, worst)],
            "worse": [difference(worst, best)],
            "equivalent": [difference(same, middle)],
        },
        margin=0.05,
    )
    assert all(decision.verdict == key for key, decision in found.items())
    small = difference(same[:4, :100], middle[:4, :100])
    assert decide({"x": [small]}, margin=0.03)["x"].verdict == "undecided"


def test_what_was_decided_at_an_interim_analysis_stays_decided():
    best, worst = tables(10, -10, seeds=10)
    at = [difference(best[:n], worst[:n]) for n in ANALYSES]
    one, two = (decide({"x": at[:k]}, margin=0.03, analyses=ANALYSES)["x"] for k in (1, 2))
    assert one.verdict == two.verdict == "better"
    assert two.p <= one.p


def test_an_early_analysis_needs_more_than_a_last_one():
    best, worst = tables(4, 0, seeds=10)
    early = decide({"x": [difference(best[:4], worst[:4])]}, margin=0.03, analyses=ANALYSES)
    alone = decide({"x": [difference(best[:4], worst[:4])]}, margin=0.03)
    assert early["x"].p > 3 * alone["x"].p


def test_methods_that_are_alike_raise_a_false_alarm_in_at_most_5_percent_of_families():
    assert simulate.false_alarms(300) <= 0.055


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "seed_sd"), [(128, 2), (128, 8)])
def test_the_default_family_has_false_alarms_in_at_most_5_percent_of_4000_runs(problems, seed_sd):
    assert simulate.false_alarms(4000, problems=problems, seed_sd=seed_sd) <= 0.055
