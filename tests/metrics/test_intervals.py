import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks.metrics.intervals import (
    Difference,
    Interval,
    bootstrap_means,
    detectable_by_error,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    smallest_detectable_difference,
    verdicts,
    wilson,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (1, 20), (72, 164), (20, 20)])
def test_wilson_agrees_with_statsmodels(successes, trials):
    expected = proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_no_proportion_has_no_interval(successes, trials):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(successes, trials)


def test_one_greedy_seed_has_wilsons_interval():
    interval = mean_interval([1.0] * 72 + [0.0] * 92)
    assert interval.method == "wilson"
    assert interval.value == pytest.approx(72 / 164)
    assert (interval.low, interval.high) == pytest.approx((0.3654, 0.5155), abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_at_the_edge_is_no_point(value):
    interval = mean_interval(np.full((3, 50), value))
    assert interval.low <= value <= interval.high
    assert interval.high - interval.low == pytest.approx(1 - wilson(50, 50)[0])


def test_the_bootstrap_agrees_with_a_slow_one():
    values = np.random.default_rng(1).random((3, 7))
    rng = np.random.default_rng(2)
    slow = [
        values[rng.integers(3, size=3)][:, rng.integers(7, size=7)].mean() for _ in range(20_000)
    ]
    fast = bootstrap_means(values, resamples=20_000)
    levels = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(fast, levels) == pytest.approx(np.quantile(slow, levels), abs=0.01)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.05)


def test_the_bootstrap_is_a_function_of_its_seed():
    values = np.random.default_rng(0).random((2, 40))
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    alike = (rng.random((6, 200)) < 0.5).astype(float)
    apart = (rng.random((6, 200)) < np.linspace(0.2, 0.8, 6)[:, None]).astype(float)
    narrow, wide = mean_interval(alike), mean_interval(apart)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


EXPERIMENTS = 1000


def experiment(rng: np.random.Generator, methods: int, seeds: int, problems: int) -> np.ndarray:
    """Results [methods, seeds, problems] of methods that are equally good: 0.5 is their truth.

    A problem is as hard for every method. Several seeds move their own runs by about six points;
    the interval of one seed speaks of that seed alone, so that its run is what it is.
    """
    by_problem = rng.normal(0, 1.0, size=(1, 1, problems))
    by_seed = rng.normal(0, 0.2 if seeds > 1 else 0.0, size=(methods, seeds, 1))
    own = rng.normal(size=(methods, seeds, problems))
    return (by_problem + by_seed + own > 0.0).astype(float)


@pytest.mark.parametrize(("seeds", "problems"), [(1, 164), (5, 128)])
def test_a_95_percent_interval_covers_the_truth_in_93_to_97_percent(seeds, problems):
    """One seed: Wilson; several: the bootstrap of seeds and problems."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(EXPERIMENTS):
        (results,) = experiment(rng, 1, seeds, problems)
        interval = mean_interval(results, resamples=400, seed=trial)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.93 <= hits / EXPERIMENTS <= 0.97


@pytest.mark.parametrize(("methods", "seeds"), [(2, 1), (3, 1), (2, 5)])
def test_methods_that_are_alike_are_called_different_in_at_most_5_percent(methods, seeds):
    """Any pair called different counts, so that three methods test Holm's correction too."""
    rng = np.random.default_rng(1)
    resamples = 400 if seeds > 1 else 1  # one seed: the p is McNemar's
    wrong = 0
    for trial in range(EXPERIMENTS):
        results = experiment(rng, methods, seeds, 128)
        pairs = {
            (a, b): paired_difference(results[a], results[b], resamples=resamples, seed=trial)
            for a in range(methods)
            for b in range(a)
        }
        wrong += any(word != "not distinguishable" for word, _ in verdicts(pairs).values())
    assert wrong / EXPERIMENTS <= 0.05


def test_wilsons_interval_covers_a_rare_success():
    rng = np.random.default_rng(0)
    counts = rng.binomial(164, 0.02, size=500)
    covered = [low <= 0.02 <= high for low, high in (wilson(int(c), 164) for c in counts)]
    assert 0.92 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("shape", [(0, 3), (1, 0), (2, 2, 2)])
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


def test_greedy_single_runs_are_compared_by_mcnemar():
    a = np.array([1] * 30 + [1] * 12 + [0] * 3 + [0] * 20)
    b = np.array([1] * 30 + [0] * 12 + [1] * 3 + [0] * 20)
    difference = paired_difference(a, b)
    assert (difference.test, difference.wins, difference.losses) == ("mcnemar", 12, 3)
    assert difference.p == pytest.approx(0.03516, abs=1e-5)
    assert difference.interval.value == pytest.approx(9 / 65)
    assert 0 < difference.interval.low < difference.interval.value < difference.interval.high


def test_pairing_makes_a_difference_of_equal_problems_certain():
    """Two methods that differ by 0.1 on every problem, whatever the problem's difficulty."""
    hard = np.random.default_rng(0).random((1, 30)) * 0.8
    difference = paired_difference(hard + 0.1, hard)
    assert (difference.interval.low, difference.interval.high) == pytest.approx((0.1, 0.1))
    assert difference.p < 0.001


def test_equal_methods_are_not_distinguishable():
    values = np.random.default_rng(0).random((2, 30))
    difference = paired_difference(values, values)
    assert difference.p == 1.0
    assert verdicts({("a", "b"): difference})["a", "b"] == ("not distinguishable", 1.0)


def test_tables_of_different_problems_are_not_paired():
    with pytest.raises(ValueError, match="one shape"):
        paired_difference(np.zeros((1, 3)), np.zeros((1, 4)))


@pytest.mark.parametrize("ps", [[0.01, 0.04, 0.03], [0.5, 0.9, 0.02, 0.02], [1.0], []])
def test_holm_agrees_with_statsmodels(ps):
    expected = multipletests(ps, method="holm")[1] if ps else []
    assert holm(ps) == pytest.approx(list(expected))


def difference(value: float, p: float) -> Difference:
    interval = Interval(value=value, low=value - 0.1, high=value + 0.1, method="given")
    return Difference(interval=interval, p=p, test="given")


def test_verdicts_are_words_after_holms_correction():
    given = {
        ("a", "b"): difference(0.2, 0.001),
        ("a", "c"): difference(-0.2, 0.02),
        ("b", "c"): difference(0.1, 0.03),
        ("c", "d"): difference(0.1, 0.9),
    }
    words = {pair: word for pair, (word, _) in verdicts(given).items()}
    assert words == {
        ("a", "b"): "better",
        ("a", "c"): "not distinguishable",  # 0.02 x 3
        ("b", "c"): "not distinguishable",
        ("c", "d"): "not distinguishable",
    }
    alone = {("a", "c"): difference(-0.2, 0.02)}
    assert verdicts(alone)["a", "c"] == ("worse", 0.02)
    assert verdicts({}) == {}


@pytest.mark.parametrize(
    ("problems", "discordance", "comparisons"),
    [(1140, 0.1, 1), (164, 0.2, 1), (64, 0.1, 15), (128, 0.2, 15), (128, 0.3, 66)],
)
def test_a_difference_of_the_detectable_size_is_found_as_often_as_promised(
    problems, discordance, comparisons
):
    rng = np.random.default_rng(0)
    size = smallest_detectable_difference(
        problems, discordance=discordance, comparisons=comparisons
    )

    def found(difference):
        share = max(discordance, difference)
        shares = [(share + difference) / 2, (share - difference) / 2, 1 - share]
        drawn = rng.multinomial(problems, shares, size=2000)
        counts, times = np.unique(drawn, axis=0, return_counts=True)
        below = [mcnemar(int(a), int(b)) <= 0.05 / comparisons for a, b, _ in counts]
        return float(np.average(below, weights=times))

    assert found(size) == pytest.approx(0.8, abs=0.03)
    assert found(0.9 * size) < 0.8


def test_the_detectable_difference_of_several_seeds_follows_from_its_standard_error():
    rng = np.random.default_rng(0)
    for comparisons in (1, 15):
        size = detectable_by_error(0.04, comparisons=comparisons)
        z = rng.normal(size / 0.04, 1.0, 20_000)
        p = 2 * norm.sf(np.abs(z))
        assert np.mean(p * comparisons <= 0.05) == pytest.approx(0.8, abs=0.01)


def test_with_too_few_problems_no_difference_is_found():
    assert smallest_detectable_difference(5) == np.inf
    assert smallest_detectable_difference(8, discordance=0.2, comparisons=1) <= 1
    assert smallest_detectable_difference(8, discordance=0.2, comparisons=15) == np.inf


@pytest.mark.parametrize(
    "changes", [{"problems": 0}, {"discordance": 0.0}, {"power": 1.0}, {"comparisons": 0}]
)
def test_a_design_that_is_none_is_refused(changes):
    with pytest.raises(ValueError, match="problems"):
        smallest_detectable_difference(**{"problems": 100, **changes})
