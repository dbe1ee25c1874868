import numpy as np
import pytest

from benchmarks.metrics.coverage import coverage


def line(*places: float) -> np.ndarray:
    return np.array(places)[:, None]


def test_a_known_case_on_a_line() -> None:
    # Balls around the references 0, 1, 10 with k = 1: [-1, 1], [0, 2], [1, 19].
    # Balls around the texts 0.5, 1.5, 50: [-0.5, 1.5], [0.5, 2.5], [1.5, 98.5].
    found = coverage(line(0, 1, 10), line(0.5, 1.5, 50), neighbours=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1.0
    assert found.density == pytest.approx((2 + 2 + 0) / 3)
    assert found.coverage == 1.0


def test_texts_in_one_corner_cover_little() -> None:
    rng = np.random.default_rng(0)
    references = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(100, 1, (50, 2))])
    found = coverage(references, rng.normal(0, 1, (100, 2)))
    assert found.precision > 0.8
    assert 0.3 < found.coverage < 0.55
    assert found.recall < 0.55


def test_the_same_distribution_has_density_and_coverage_near_one() -> None:
    rng = np.random.default_rng(1)
    found = coverage(rng.normal(size=(300, 4)), rng.normal(size=(300, 4)))
    assert found.density == pytest.approx(1.0, abs=0.15)
    assert found.coverage > 0.9  # 1 - 2**-k = 0.97 for sets of one size (Naeem et al., 2020)


def test_small_sets_use_fewer_neighbours_and_say_so() -> None:
    assert coverage(line(0, 1, 2), line(0, 1, 2, 3, 4, 5, 6)).neighbours == 2
    with pytest.raises(ValueError, match="1 references, 3 texts"):
        coverage(line(0), line(0, 1, 2))
