import numpy as np
import pytest
from scipy.stats import norm
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
    assert found.estimate.value == pytest.approx(expected.mean_effect_re)
    assert found.estimate.error == pytest.approx(expected.sd_eff_w_re)
    assert found.tau == 0.0
    assert found.estimate.value == pytest.approx(0.075, abs=0.001)
    assert found.estimate.p() == pytest.approx(2 * norm.sf(0.0745 / 0.0178), rel=0.05)


def test_effects_that_differ_have_a_spread_and_a_wider_interval():
    values, errors = [0.3, -0.2, 0.1, 0.05], [0.03, 0.03, 0.03, 0.03]
    expected = combine_effects(
        np.array(values), np.array(errors) ** 2, method_re="iterated", use_t=True
    )
    found = pool([estimate(*one) for one in zip(values, errors, strict=True)])
    assert found.tau == pytest.approx(np.sqrt(expected.tau2))
    assert (
        found.estimate.error > 2 * pool([estimate(0.06, error) for error in errors]).estimate.error
    )
    low, high = (float(end) for end in found.estimate.interval())
    assert found.wide[0] < low < high < found.wide[1]


@pytest.mark.parametrize("values", [[0.1, 0.1], [0.1, 0.1, 0.1, 0.1]])
def test_hartung_and_knapps_interval_is_never_narrower_than_the_plain_one(values):
    found = pool([estimate(value, 0.03) for value in values])
    low, high = (float(end) for end in found.estimate.interval())
    assert found.wide[0] <= low
    assert found.wide[1] >= high


def test_degrees_of_freedom_add_up():
    found = pool([estimate(0.1, 0.03, 8.0)] * 4)
    assert found.estimate.df == pytest.approx(32)


def test_the_interval_of_the_closed_share_covers_it_in_95_percent():
    rng = np.random.default_rng(0)
    skills = tuple(map(simulate.skill, (10, 0, 30)))
    truth = 10 / 30
    tables = simulate.results(rng, 300, 5, 128, 2, skills).astype(float)
    covered = [low <= truth <= high for _, low, high in map(closed_share, *tables)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


def test_a_share_is_the_root_of_a_contrast_and_exact_where_all_is():
    rng = np.random.default_rng(0)
    method, none, ceiling = simulate.results(rng, 1, 5, 256, 2, (0.3, 0.0, 1.2))[:, 0].astype(float)
    share, low, high = closed_share(method, none, ceiling)
    assert share == pytest.approx(
        float(difference(method, none).value / difference(ceiling, none).value)
    )
    assert low < share < high


def test_without_a_gap_there_is_no_share():
    same = simulate.results(np.random.default_rng(0), 1, 5, 128, 2, (0.0, 0.0, 0.0))[:, 0]
    assert closed_share(*same) is None
