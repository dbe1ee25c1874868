import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domino import fit_losses
from domino.fit_config import FitConfig, FittingError
from domino.fit_losses import FitLosses
from domino.fit_run import FitRun, epoch_batches
from domino.fitting import fit_tokens, split
from domino.shared_prefix import Text, domain_losses
from tests.domino import toy
from tests.tiny import make_model

QUICK = FitConfig(domain_tokens=4, sample_tokens=2, steps=6, batch_size=3, evaluate_every=2)


@pytest.fixture(scope="module")
def sky(trained):
    """Texts of one toy domain: 20 to fit on, the rest never seen by a fit."""
    _, tokenizer = trained
    lead = tokenizer("<|user|>")["input_ids"]

    def text(reference):
        rest = tokenizer(f"{reference.instruction}<|assistant|><|end|>")["input_ids"]
        return Text(torch.tensor(lead + rest), given=len(lead))

    return [text(reference) for reference in toy.references("sky", 60)]


def logged(model, texts, config, seed=0):
    rows = []
    fitted = fit_tokens(model, texts, config, seed, log=lambda metrics, step: rows.append(metrics))
    return fitted, rows


def test_a_fit_lowers_the_loss_of_references_it_never_saw(trained, sky):
    model, _ = trained
    config = dataclasses.replace(QUICK, steps=60, learning_rate=2e-2, evaluate_every=10)
    start = fit_tokens(model, sky[:20], dataclasses.replace(config, learning_rate=1e-9), 0)
    fitted = fit_tokens(model, sky[:20], config, 0)
    before = float(domain_losses(model, start.domain_PH, sky[20:]).mean())
    after = float(domain_losses(model, fitted.domain_PH, sky[20:]).mean())
    assert after < 0.7 * before


def test_equal_seeds_give_equal_tokens_and_others_do_not(trained, sky):
    model, _ = trained
    first, again, other = (fit_tokens(model, sky[:10], QUICK, seed) for seed in (1, 1, 2))
    assert torch.equal(first.domain_PH, again.domain_PH)
    assert not torch.equal(first.domain_PH, other.domain_PH)


def test_only_the_batchs_sample_tokens_move(trained, sky):
    model, _ = trained
    assert moved_by_the_second_step(model, sky[:6], QUICK) == [2, 4]


def test_dense_updates_go_on_moving_what_has_momentum(trained, sky):
    model, _ = trained
    dense = dataclasses.replace(QUICK, dense_updates=True)
    assert moved_by_the_second_step(model, sky[:6], dense) == [0, 1, 2, 4]


def moved_by_the_second_step(model, texts, config):
    """Which sample tokens move in a step on texts 2 and 4, after one on 0, 1 and 2."""
    run = FitRun(FitLosses(model, config), texts, config, 0)
    run.step([0, 1, 2], learning_rate=0.1, weights=config.weights)
    before = [tokens.detach().clone() for tokens in run.samples]
    run.step([2, 4], learning_rate=0.1, weights=config.weights)
    pairs = enumerate(zip(before, run.samples, strict=True))
    return [index for index, (a, b) in pairs if not torch.equal(a, b)]


def test_weights_do_not_move_and_get_no_gradient(sky):
    model = make_model(vocabulary=400)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    fit_tokens(model, sky[:6], QUICK, 0)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.grad is None


def test_the_checkpoint_is_the_one_with_the_lowest_held_out_loss(trained, sky):
    model, _ = trained
    config = dataclasses.replace(QUICK, steps=30, learning_rate=0.5, held_out=0.3)
    fitted, rows = logged(model, sky[:10], config)
    held_out = {step: row["held_out"] for step, row in enumerate(rows, 1) if "held_out" in row}
    assert list(held_out) == list(range(2, 31, 2))
    assert fitted.held_out_loss == min(held_out.values()) == held_out[fitted.step]
    kept_out = split(10, 0.3, 0)[1]
    loss = domain_losses(model, fitted.domain_PH, [sky[i] for i in kept_out]).mean()
    assert float(loss) == pytest.approx(fitted.held_out_loss, rel=1e-5)


def test_few_references_are_all_trained_on(trained, sky):
    model, _ = trained
    fitted, rows = logged(model, sky[:4], QUICK)
    assert (fitted.step, fitted.held_out_loss) == (6, None)
    assert not any("held_out" in row for row in rows)


def test_patience_ends_a_fit_that_no_longer_gains(trained, sky):
    model, _ = trained
    config = dataclasses.replace(QUICK, steps=200, learning_rate=1.0, patience=2)
    fitted, rows = logged(model, sky[:10], config)
    assert len(rows) == fitted.step + 2 * config.evaluate_every < 200


def test_epochs_count_passes_over_the_references(trained, sky):
    model, _ = trained
    _, rows = logged(model, sky[:7], dataclasses.replace(QUICK, epochs=2))
    assert len(rows) == 2 * 2  # seven in threes: the last batch of one joins the second


@pytest.mark.parametrize("form", ["bounded", "official"])
def test_every_step_logs_every_term_and_diagnostic(trained, sky, form):
    model, _ = trained
    _, rows = logged(model, sky[:6], dataclasses.replace(QUICK, form=form))
    expected = {
        "objective", "domain", "reconstruction", "contrastive", "diagonal_loss",
        "off_diagonal_loss", "gradient_norm", "learning_rate", "norm_ratio", "nearest_cosine",
        "swap_gap", "swap_lost",
    }  # fmt: skip
    for row in rows:
        assert set(row) == expected
        assert all(math.isfinite(value) for value in row.values())
        assert row["diagonal_loss"] == pytest.approx(row["reconstruction"])
        total = row["domain"] + row["reconstruction"] + row["contrastive"]
        assert row["objective"] == pytest.approx(total, rel=1e-5)
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([0.01 * (1 - step / 6) for step in range(6)])


def test_without_sample_terms_no_matrix_is_computed(trained, sky, monkeypatch):
    model, _ = trained
    monkeypatch.setattr(fit_losses, "loss_matrix", None)  # calling it would fail
    config = dataclasses.replace(QUICK, w_reconstruction=0.0, w_contrastive=0.0)
    _, rows = logged(model, sky[:6], config)
    assert rows[0]["objective"] == rows[0]["domain"]
    assert "diagonal_loss" not in rows[0]


@given(st.integers(2, 40), st.integers(2, 9), st.integers(0, 5))
def test_batches_hold_every_reference_once_and_never_one_alone(count, size, seed):
    batches = epoch_batches(count, size, torch.Generator().manual_seed(seed))
    assert sorted(index for batch in batches for index in batch) == list(range(count))
    assert all(2 <= len(batch) <= size + 1 for batch in batches)


@given(st.integers(2, 60), st.floats(0, 0.99), st.integers(0, 5))
def test_a_split_loses_nothing_and_leaves_two_to_train_on(count, share, seed):
    kept, held_out = split(count, share, seed)
    assert sorted(kept + held_out) == list(range(count))
    assert len(kept) >= 2
    assert not (count < 8 and held_out)


def test_texts_that_cannot_be_fitted_are_refused(trained, sky):
    model, _ = trained
    with pytest.raises(FittingError, match="at least 2 references, got 1"):
        fit_tokens(model, sky[:1], QUICK, 0)
    with pytest.raises(FittingError, match=r"reference 1 has 123 tokens .* leave 122"):
        fit_tokens(model, [sky[0], Text(torch.zeros(123, dtype=torch.long))], QUICK, 0)
    with pytest.raises(FittingError, match="reference 1 is empty"):
        fit_tokens(model, [sky[0], Text(torch.zeros(2, dtype=torch.long), given=2)], QUICK, 0)


def test_a_model_that_is_not_frozen_is_refused(sky):
    model = make_model(vocabulary=400)
    with pytest.raises(FittingError, match="is in training mode"):
        fit_tokens(model.train(), sky[:4], QUICK, 0)
    model.eval().lm_head.weight.requires_grad_(True)
    with pytest.raises(FittingError, match=r"'lm_head\.weight' requires a gradient"):
        fit_tokens(model, sky[:4], QUICK, 0)


def test_an_objective_that_is_not_finite_ends_the_fit_and_says_what_to_do(sky):
    model = make_model(vocabulary=400)
    model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(FittingError, match="the objective is nan at step 1: lower learning_rate"):
        fit_tokens(model, sky[:4], QUICK, 0)


def test_the_contrastive_weight_follows_its_schedule(trained, sky):
    model, _ = trained
    config = dataclasses.replace(QUICK, contrastive_schedule="warmup", contrastive_warmup=0.5)
    _, rows = logged(model, sky[:6], config)
    shares = [
        (row["objective"] - row["domain"] - row["reconstruction"]) / row["contrastive"]
        for row in rows
    ]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1], abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tokens_stay_float32_over_a_backbone_of_half_precision(trained, sky, dtype):
    model, _ = trained
    config = dataclasses.replace(QUICK, steps=20)
    _, rows = logged(model, sky[:6], config)
    half, half_rows = logged(copy.deepcopy(model).to(dtype), sky[:6], config)
    assert half.domain_PH.dtype == torch.float32
    assert not torch.equal(half.domain_PH, half.domain_PH.to(dtype).float())
    for name in ("objective", "gradient_norm"):
        assert half_rows[0][name] == pytest.approx(rows[0][name], rel=0.03)
    assert half_rows[-1]["domain"] == pytest.approx(rows[-1]["domain"], rel=0.05)


def test_autocast_changes_the_precision_of_the_passes_and_nothing_else(trained, sky):
    model, _ = trained
    config = dataclasses.replace(QUICK, steps=20, held_out=0.3)
    whole, rows = logged(model, sky[:10], config)
    cast, cast_rows = logged(model, sky[:10], dataclasses.replace(config, autocast=True))
    assert cast.domain_PH.dtype == torch.float32
    assert not torch.equal(cast.domain_PH, whole.domain_PH)
    assert cast_rows[0]["gradient_norm"] == pytest.approx(rows[0]["gradient_norm"], rel=0.03)
    assert cast_rows[-1]["domain"] == pytest.approx(rows[-1]["domain"], rel=0.05)
    assert cast.held_out_loss == pytest.approx(whole.held_out_loss, rel=0.05)


def test_a_fit_says_what_it_saw_at_the_step_that_it_keeps(trained, sky):
    model, _ = trained
    fitted, rows = logged(model, sky[:10], dataclasses.replace(QUICK, held_out=0.3))
    assert fitted.diagnostics == rows[fitted.step - 1]
    assert [row["step"] for row in fitted.curve] == [2, 4, 6]
    assert all(row == {"step": row["step"], **rows[row["step"] - 1]} for row in fitted.curve)


@pytest.mark.parametrize(("mode", "words"), [("always", "cached"), ("never", "not cached")])
def test_memory_is_told_before_the_first_step_and_its_mode_moves_no_token(
    trained, sky, mode, words
):
    model, _ = trained
    told: list[str] = []
    counts: list[int] = []
    config = dataclasses.replace(QUICK, steps=2, gradient_caching=mode)
    fitted = fit_tokens(
        model, sky[:6], config, 0,
        log=lambda metrics, step: counts.append(len(told)), notify=told.append,
    )  # fmt: skip
    (line,) = told
    assert line.startswith("a step needs about")
    assert line.endswith(f"gradients are {words}")
    assert counts == [1, 1]
    usual = fit_tokens(model, sky[:6], dataclasses.replace(QUICK, steps=2), 0)
    assert torch.allclose(fitted.domain_PH, usual.domain_PH, atol=1e-3)
