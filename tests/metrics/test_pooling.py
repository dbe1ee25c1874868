import numpy as np
import pytest
from scipy.stats import norm, t
from statsmodels.stats.meta_analysis import combine_effects

from benchmarks.metrics.crossed import Estimate, difference
from benchmarks.metrics.pooling import closed_share, pool
from tests.metrics import simulate


def estimate(value: float, error: float, df: float = 1e9) -> Estimate:
    numbers = {"value": value, "variance": error**2, "df": df, "problems": 128}
    return Estimate(**{name: np.asarray(numbers.get(name, 0.0)) for name in Estimate.__slots__})


# Pass@1 of few-shot minus references only on four domains, and the bootstrap's errors: results/
STORED = [(0.0875, 0.0383), (0.0281, 0.0387), (0.075, 0.0311), (0.1031, 0.0363)]


def test_effects_that_agree_are_pooled_as_statsmodels_does():
    values, errors = np.array(STORED).T
    expected = combine_effects(values, errors**2, method_re="iterated")
    found = pool([estimate(*one) for one in STORED])
    assert found.value == pytest.approx(expected.mean_effect_re)
    assert found.plain[0] == pytest.approx(expected.sd_eff_w_re)
    assert found.tau == 0.0
    assert found.value == pytest.approx(0.075, abs=0.001)
    assert found.p() >= 2 * norm.sf(0.0745 / 0.0178)


def test_effects_that_differ_have_a_spread_and_a_wider_interval():
    values, errors = [0.3, -0.2, 0.1, 0.05], [0.03, 0.03, 0.03, 0.03]
    expected = combine_effects(
        np.array(values), np.array(errors) ** 2, method_re="iterated", use_t=True
    )
    found = pool([estimate(*one) for one in zip(values, errors, strict=True)])
    assert found.tau == pytest.approx(np.sqrt(expected.tau2))
    assert found.plain[0] > 2 * pool([estimate(0.06, error) for error in errors]).plain[0]
    low, high = found.plain_interval()
    wide_low, wide_high = found.interval()
    assert wide_low < low < high < wide_high
    assert found.p() == pytest.approx(
        2 * t.sf(abs(expected.mean_effect_re) / expected.sd_eff_w_re_hksj, 3), rel=1e-6
    )


@pytest.mark.parametrize("values", [[0.1, 0.1], [0.1, 0.1, 0.1, 0.1]])
def test_the_interval_is_never_narrower_than_the_plain_one_and_p_agrees(values):
    found = pool([estimate(value, 0.03) for value in values])
    assert found.interval() == found.plain_interval()
    assert found.p() == pytest.approx(2 * t.sf(0.1 / found.plain[0], found.plain[1]))
    low, _ = found.interval(1 - float(found.p()))
    assert low == pytest.approx(0, abs=1e-6)
    _, high = found.interval(0.9)
    assert found.equivalence_p(high) == pytest.approx(0.05)


def test_domains_that_differ_are_called_different_no_more_often_than_the_level_says():
    rng = np.random.default_rng(0)
    values = rng.normal(0, np.hypot(0.02, 0.04), (2000, 4))  # four domains, 4 points between them
    ps = [float(pool([estimate(value, 0.02, 20) for value in own]).p()) for own in values]
    assert 0.01 <= np.mean(np.array(ps) <= 0.05) <= 0.06


def test_a_domain_in_which_nothing_varies_does_not_weigh_more_than_its_problems():
    found = pool([estimate(0.0, 0.0), estimate(0.1, 0.0149)])
    assert found.value == pytest.approx(0.05, abs=0.001)


def test_degrees_of_freedom_add_up():
    found = pool([estimate(0.1, 0.03, 8.0)] * 4)
    assert found.plain[1] == pytest.approx(32)


def test_the_interval_of_the_closed_share_covers_it_in_95_percent():
    rng = np.random.default_rng(0)
    skills = tuple(map(simulate.skill, (10, 0, 30)))
    truth = 10 / 30
    tables = simulate.results(rng, 300, 5, 128, 2, skills).astype(float)
    shares = list(map(closed_share, *tables))
    covered = [one.low <= truth <= one.high for one in shares]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


def test_a_share_is_the_root_of_a_contrast_and_exact_where_all_is():
    rng = np.random.default_rng(0)
    method, none, ceiling = simulate.results(rng, 1, 5, 256, 2, (0.3, 0.0, 1.2))[:, 0].astype(float)
    found = closed_share(method, none, ceiling)
    share = float(found.estimate.value)
    assert share == pytest.approx(
        float(difference(method, none).value / difference(ceiling, none).value)
    )
    assert found.low < share < found.high
    low, high = found.estimate.interval()  # of a gap of many errors both methods agree
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.03)


def test_without_a_gap_there_is_no_share():
    same = simulate.results(np.random.default_rng(0), 1, 5, 128, 2, (0.0, 0.0, 0.0))[:, 0]
    assert closed_share(*same) is None
