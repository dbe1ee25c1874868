import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domino.fit_config import FitConfig, FittingError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 1}, "batch_size is 1: give at least 2"),
        ({"domain_tokens": 0}, "domain_tokens is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"held_out": 1.0}, "held_out is 1.0"),
        ({"initialisation": "text"}, "needs initial_text"),
        ({"initialisation": "zeros"}, "give one of 'vocabulary', 'text', 'normal'"),
        ({"contrastive_schedule": "step"}, "give one of 'constant', 'warmup', 'cosine'"),
        ({"contrastive_warmup": 0.0}, "contrastive_warmup is 0.0"),
        ({"padding": "left"}, "give one of 'ignored', 'labels'"),
        ({"guard_share": 1.5}, "guard_share is 1.5"),
        ({"guard_samples": -1}, "guard_samples is -1"),
        ({"checkpoint_every": -1}, "checkpoint_every is -1"),
    ],
)
def test_a_config_that_no_fit_can_follow_is_refused(wrong, message):
    with pytest.raises(FittingError, match=message):
        FitConfig(**wrong)


def contrastive(step, total, **config):
    return FitConfig(**config).weights_at(step, total).contrastive


def test_a_constant_weight_does_not_move():
    assert {contrastive(step, 9, w_contrastive=0.3) for step in range(1, 10)} == {0.3}


def test_a_warm_up_rises_linearly_and_then_stays():
    options = {"contrastive_schedule": "warmup", "contrastive_warmup": 0.4, "w_contrastive": 2.0}
    weights = [contrastive(step, 10, **options) for step in range(1, 11)]
    assert weights == pytest.approx([0.5, 1.0, 1.5, 2.0, *[2.0] * 6])


def test_a_cosine_falls_from_the_weight_towards_none():
    weights = [
        contrastive(step, 4, contrastive_schedule="cosine", w_contrastive=2.0)
        for step in range(1, 5)
    ]
    half = math.sqrt(0.5)
    assert weights == pytest.approx([2.0, 1 + half, 1.0, 1 - half])


@given(
    st.sampled_from(["constant", "warmup", "cosine"]),
    st.floats(0.01, 10),
    st.floats(0.01, 1),
    st.integers(1, 500),
    st.data(),
)
def test_every_schedule_stays_above_none_and_below_its_weight(schedule, weight, share, total, data):
    step = data.draw(st.integers(1, total))
    config = FitConfig(
        contrastive_schedule=schedule, w_contrastive=weight, contrastive_warmup=share
    )
    weights = config.weights_at(step, total)
    assert 0 < weights.contrastive <= weight
    assert (weights.domain, weights.reconstruction) == (1.0, 1.0)
