import numpy as np
import pytest

from benchmarks.metrics.alignment import classifier_test, mmd


def normal(seed: int, shift: float = 0.0, size: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (size, 3))


def test_sets_of_one_distribution_are_not_told_apart() -> None:
    assert classifier_test(normal(0), normal(1)).value == pytest.approx(0.5, abs=0.12)
    assert mmd(normal(0), normal(1), permutations=200).p > 0.05


def test_sets_apart_are_told_apart() -> None:
    found = classifier_test(normal(0), normal(1, 3.0))
    assert found.value > 0.95
    assert found.p == pytest.approx(1 / 501)
    assert mmd(normal(0), normal(1, 1.0), permutations=200).p < 0.01


def test_the_classifier_rejects_as_often_as_it_says_where_there_is_no_difference() -> None:
    ps = [
        classifier_test(normal(s, size=20), normal(1000 + s, size=20), permutations=99, seed=s).p
        for s in range(200)
    ]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_mmd_rejects_as_often_as_it_says_where_there_is_no_difference() -> None:
    ps = [mmd(normal(s, size=20), normal(1000 + s, size=20), permutations=99).p for s in range(200)]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_mmd_is_that_of_a_sum_over_pairs() -> None:
    first, second = normal(0, size=4), normal(1, 0.5, size=5)
    points = np.concatenate([first, second])
    squares = [((a - b) ** 2).sum() for i, a in enumerate(points) for b in points[:i]]
    width = np.median(squares)

    def mean(left: np.ndarray, right: np.ndarray, same: bool) -> float:
        values = [
            np.exp(-((a - b) ** 2).sum() / width)
            for i, a in enumerate(left)
            for j, b in enumerate(right)
            if not (same and i == j)
        ]
        return float(np.mean(values))

    expected = (
        mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)
    )
    assert mmd(first, second, permutations=1).value == pytest.approx(expected)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="3 points: 10 are needed"):
        classifier_test(normal(0, size=3), normal(1))
    with pytest.raises(ValueError, match="1 references"):
        mmd(normal(0, size=1), normal(1))
