from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics.passk import mean_pass_at_k, pass_at_k


def slow(n: int, c: int, k: int) -> float:
    """The share of all draws of k samples that hold a correct one."""
    draws = list(combinations([True] * c + [False] * (n - c), k))
    return sum(map(any, draws)) / len(draws)


@given(st.data())
def test_the_estimator_is_the_share_of_draws_with_a_correct_sample(data):
    n = data.draw(st.integers(1, 9))
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(slow(n, c, k))


def test_pass_at_1_is_the_share_of_correct_samples():
    assert pass_at_k([10, 10, 10], [0, 3, 10], 1) == pytest.approx([0.0, 0.3, 1.0])


def test_counts_broadcast():
    assert pass_at_k(5, np.array([[0, 5], [1, 4]]), 2).shape == (2, 2)


def test_large_counts_do_not_overflow():
    assert pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 0, 4), (3, 0, 0), (3, 4, 1), (3, -1, 1)])
def test_counts_out_of_range_are_refused(n, c, k):
    with pytest.raises(ValueError, match=r"give k from 1|must lie in"):
        pass_at_k(n, c, k)


def test_the_mean_is_over_problems():
    assert mean_pass_at_k(4, [4, 0, 2], 1) == pytest.approx(0.5)


def test_no_problems_have_no_mean():
    with pytest.raises(ValueError, match="no problems"):
        mean_pass_at_k(1, [], 1)
