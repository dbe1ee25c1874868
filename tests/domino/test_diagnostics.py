import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domino.diagnostics import sample_rates, step_metrics
from domino.objective import Weights, objective

LONG = " ".join(f"word{n}" for n in range(60))
TEXTS = st.lists(st.text("ab 1.", max_size=30), min_size=1, max_size=6)


def rates(samples, references=("Sort the list.", LONG)):
    found = sample_rates(samples, references)
    return found["copy_rate"], found["distinct_rate"]


def test_case_and_spacing_do_not_hide_a_copy_or_a_repeat():
    assert rates(["sort  THE\nlist."]) == (1.0, 1.0)
    assert rates(["Sort it.", "sort it .", "Sum it."]) == (0.0, pytest.approx(2 / 3))


def test_a_short_text_that_differs_in_one_word_is_no_copy():
    assert rates(["Sort the lists.", "Sort the list", "Sort"]) == (0.0, 1.0)


def test_a_long_text_with_a_changed_word_is_a_copy_and_half_a_text_of_ones_own_is_none():
    words = LONG.split()
    changed = " ".join([*words[:1], "other", *words[2:]])
    half = " ".join(words[:30] + [f"own{n}" for n in range(30)])
    assert rates([changed])[0] == 1.0
    assert rates([half])[0] == 0.0
    assert rates([" ".join(words[10:50])])[0] == 1.0


def test_empty_samples_copy_nothing_and_repeat_one_another():
    assert rates([]) == (0.0, 0.0)
    assert rates(["", ""]) == (0.0, 0.5)


@given(TEXTS)
def test_samples_that_are_the_references_are_all_copies_but_for_empty_ones(texts):
    found = sample_rates(texts, texts)
    assert found["copy_rate"] == sum(bool(text.strip()) for text in texts) / len(texts)


@given(TEXTS, TEXTS)
def test_rates_are_shares_and_ignore_order(samples, references):
    found = sample_rates(samples, references)
    assert all(0 <= rate <= 1 for rate in found.values())
    assert found == sample_rates(samples[::-1], references[::-1])


def swap(rows):
    loss = torch.tensor(rows)
    return step_metrics(objective(loss.diagonal(), loss, Weights()), loss)


def test_the_swap_test_compares_each_text_behind_its_own_and_anothers_tokens():
    found = swap([[1.0, 4.0], [2.0, 5.0]])  # text 0 loses by the swap, text 1 gains
    assert found["diagonal_loss"] == 3.0
    assert found["off_diagonal_loss"] == 3.0
    assert found["swap_gap"] == 0.0
    assert found["swap_lost"] == 0.5
    assert swap([[1.0, 4.0], [2.0, 3.0]])["swap_lost"] == 0.0


@given(st.integers(2, 5), st.floats(0, 5))
def test_sample_tokens_that_know_nothing_have_no_gap(size, loss):
    found = swap(torch.full((size, size), loss).tolist())
    assert found["swap_gap"] == pytest.approx(0, abs=1e-5)
    assert found["swap_lost"] == 1.0  # no swap makes a text worse
    assert all(map(math.isfinite, found.values()))
