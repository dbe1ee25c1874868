import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks.metrics.crossed import contrast
from benchmarks.metrics.intervals import holm, mcnemar, mean_interval, wilson
from tests.metrics import simulate


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (1, 20), (72, 164), (20, 20)])
def test_wilson_agrees_with_statsmodels(successes, trials):
    expected = proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_no_proportion_has_no_interval(successes, trials):
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(successes, trials)


def test_one_greedy_seed_has_wilsons_interval():
    interval = mean_interval([1.0] * 72 + [0.0] * 92)
    assert interval.method == "Wilson"
    assert interval.value == pytest.approx(72 / 164)
    assert (interval.low, interval.high) == pytest.approx((0.3654, 0.5155), abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_at_the_edge_is_wilsons_of_one_seed(value):
    interval = mean_interval(np.full((3, 50), value))
    assert interval.low <= value <= interval.high
    assert interval.high - interval.low == pytest.approx(1 - wilson(50, 50)[0])


def test_the_interval_goes_to_the_edge_without_a_jump():
    highs = []
    for passed in range(6):
        table = np.zeros((5, 128))
        table[0, :passed] = 1
        highs.append(mean_interval(table).high)
    assert highs[0] == pytest.approx(wilson(0, 128)[1])
    assert np.abs(np.diff(highs)).max() < 0.01


def test_in_the_middle_the_interval_is_students():
    table = simulate.results(np.random.default_rng(0), 1, 5, 1024, 4, (0.0,))[0, 0]
    low, high = contrast([table], [1.0]).interval()
    found = mean_interval(table)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    alike = (rng.random((6, 200)) < 0.5).astype(float)
    apart = (rng.random((6, 200)) < np.linspace(0.2, 0.8, 6)[:, None]).astype(float)
    narrow, wide = mean_interval(alike), mean_interval(apart)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("points", [2, 50])
def test_a_95_percent_interval_covers_the_truth(points):
    assert 0.94 <= simulate.coverage(500, points) <= 1.0


def test_wilsons_interval_covers_a_rare_success():
    rng = np.random.default_rng(0)
    counts = rng.binomial(164, 0.02, size=500)
    covered = [low <= 0.02 <= high for low, high in (wilson(int(c), 164) for c in counts)]
    assert 0.92 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("shape", [(0, 3), (1, 0), (2, 2, 0)])
def test_results_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        mean_interval(np.zeros(shape))


def test_a_problem_without_a_result_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        mean_interval([0.0, np.nan])


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (12, 3), (7, 7)])
def test_mcnemar_agrees_with_statsmodels(wins, losses):
    expected = statsmodels_mcnemar([[10, wins], [losses, 10]], exact=True).pvalue
    assert mcnemar(wins, losses) == pytest.approx(expected if wins + losses else 1.0)


@pytest.mark.parametrize("ps", [[0.01, 0.04, 0.03], [0.5, 0.9, 0.02, 0.02], [1.0], []])
def test_holm_agrees_with_statsmodels(ps):
    expected = multipletests(ps, method="holm")[1] if ps else []
    assert holm(ps) == pytest.approx(list(expected))
