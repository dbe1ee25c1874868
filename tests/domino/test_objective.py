import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domino.objective import ObjectiveError, Weights, bounded, objective, official


@st.composite
def matrices(draw, low=0.0, high=50.0):
    size = draw(st.integers(2, 6))
    values = st.floats(low, high, width=32)
    rows = draw(
        st.lists(st.lists(values, min_size=size, max_size=size), min_size=size, max_size=size)
    )
    return torch.tensor(rows, dtype=torch.float32)


def slow_official(loss):
    size = len(loss)
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    return math.log(sum(math.exp(-float(loss[i][j])) for i, j in pairs) / len(pairs))


def slow_bounded(loss, temperature):
    size = len(loss)
    total = 0.0
    for j in range(size):
        all_i = [math.exp(-float(loss[i][j]) / temperature) for i in range(size)]
        total -= math.log(all_i[j] / sum(all_i))
    return total / size


@given(matrices())
def test_official_equals_its_formula(loss):
    assert float(official(loss)) == pytest.approx(slow_official(loss), rel=1e-4, abs=1e-4)


@given(matrices(high=20.0), st.sampled_from([0.5, 1.0, 3.0]))
def test_bounded_equals_its_formula(loss, temperature):
    expected = slow_bounded(loss, temperature)
    assert float(bounded(loss, temperature)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(matrices(high=1e4), st.floats(0.1, 10))
def test_bounded_is_never_negative(loss, temperature):
    # Nearly all of a large loss's digits are before the point, hence the rounding allowed for.
    assert float(bounded(loss, temperature)) >= -1e-6 * float(loss.abs().max()) / temperature


@given(matrices(), st.floats(-100, 100))
def test_bounded_ignores_a_constant_added_to_every_loss(loss, constant):
    assert float(bounded(loss + constant)) == pytest.approx(float(bounded(loss)), abs=1e-3)


@given(matrices(), st.randoms())
def test_no_term_depends_on_the_order_of_the_batch(loss, random):
    order = list(range(len(loss)))
    random.shuffle(order)
    for form in ("bounded", "official"):
        weights = Weights(form=form)
        before = objective(loss.diagonal(), loss, weights).total
        shuffled = loss[order][:, order]
        after = objective(shuffled.diagonal(), shuffled, weights).total
        assert float(after) == pytest.approx(float(before), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("form", ["bounded", "official"])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_losses_of_ten_thousand_give_finite_values_and_gradients(form, size):
    loss = torch.full((size, size), 1e4, requires_grad=True)
    total = objective(loss[0], loss, Weights(form=form)).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(loss.grad).all()


@given(matrices(high=1e4), st.sampled_from(["bounded", "official"]), st.floats(0.1, 10))
def test_any_losses_up_to_ten_thousand_give_finite_values_and_gradients(loss, form, temperature):
    loss.requires_grad_()
    total = objective(loss[0], loss, Weights(form=form, temperature=temperature)).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(loss.grad).all()


@settings(max_examples=25)
@given(matrices(high=10.0))
def test_the_total_is_the_weighted_sum_of_the_terms(loss):
    weights = Weights(domain=0.5, reconstruction=2.0, contrastive=3.0, temperature=2.0)
    domain = loss.mean(0)
    terms = objective(domain, loss, weights)
    expected = (
        0.5 * float(domain.mean())
        + 2.0 * float(loss.diagonal().mean())
        + 3.0 * slow_bounded(loss, 2.0)
    )
    assert float(terms.total) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_defaults_of_the_official_form_reproduce_the_paper():
    loss = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    total = objective(torch.tensor([5.0, 6.0]), loss, Weights(form="official")).total
    assert float(total) == pytest.approx(5.5 + 2.5 + math.log((math.exp(-2) + math.exp(-3)) / 2))


def test_the_domain_term_alone_needs_no_matrix_and_no_second_reference():
    weights = Weights(reconstruction=0, contrastive=0)
    assert float(objective(torch.tensor([2.0]), None, weights).total) == 2.0


@pytest.mark.parametrize("form", ["bounded", "official"])
def test_a_batch_of_one_is_refused_with_the_remedy(form):
    with pytest.raises(ObjectiveError, match="at least 2 references, got 1: raise batch_size"):
        objective(torch.ones(1), torch.ones(1, 1), Weights(form=form))


def test_a_missing_or_oblong_matrix_is_refused():
    with pytest.raises(ObjectiveError, match="need the matrix of losses, and got None"):
        objective(torch.ones(2), None, Weights())
    with pytest.raises(ObjectiveError, match=r"shape \(2, 3\): it must be square"):
        objective(torch.ones(2), torch.ones(2, 3), Weights())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"domain": -1.0}, "weight domain is -1.0"),
        ({"contrastive": math.nan}, "weight contrastive is nan"),
        ({"domain": 0, "reconstruction": 0, "contrastive": 0}, "all weights are 0"),
        ({"form": "best"}, "contrastive form is 'best'"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_weights_that_are_none_are_refused(wrong, message):
    with pytest.raises(ObjectiveError, match=message):
        Weights(**wrong)
