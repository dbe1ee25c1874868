import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics.diversity import compression_ratio, distinct_n, self_bleu, vendi_score


def test_distinct_n_of_a_known_case() -> None:
    assert distinct_n(["a b a b", "b a"], 2) == 2 / 4
    assert distinct_n(["a b", "c d"], 1) == 1.0
    assert distinct_n(["a"], 2) == 0.0


def test_repetition_compresses_better() -> None:
    alike = ["keep the even numbers"] * 50
    different = [f"{number * 7919 % 10007} and {number * 104729 % 9973}" for number in range(50)]
    assert compression_ratio(alike) > 3 * compression_ratio(different)
    with pytest.raises(ValueError, match="nothing to compress"):
        compression_ratio([""])


def test_self_bleu_is_one_for_equal_texts_and_near_zero_for_texts_without_a_common_word() -> None:
    assert self_bleu(["keep the even numbers of it"] * 3) == pytest.approx(1.0)
    assert self_bleu(["a b c d e", "f g h i j", "k l m n o"]) < 0.05
    with pytest.raises(ValueError, match="got 1"):
        self_bleu(["alone"])


@given(st.integers(1, 6), st.integers(1, 5))
def test_the_vendi_score_counts_orthogonal_texts_however_often_each_stands(
    kinds: int, copies: int
) -> None:
    assert vendi_score(np.repeat(np.eye(6)[:kinds], copies, axis=0)) == pytest.approx(kinds)


def test_the_vendi_score_is_that_of_the_similarity_matrix() -> None:
    points = np.random.default_rng(0).normal(size=(20, 5))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(unit @ unit.T / 20)
    shares = shares[shares > 1e-12]
    assert vendi_score(3 * points) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_an_embedding_of_norm_zero_has_no_vendi_score() -> None:
    with pytest.raises(ValueError, match="norm 0"):
        vendi_score(np.zeros((2, 3)))
