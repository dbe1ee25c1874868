"""A fit that is killed and called again ends as one that was never killed."""

import dataclasses

import pytest
import torch

from domino.diagnostics import Guard
from domino.fit_config import FitConfig, FittingError
from domino.fit_run import FitRun
from domino.fitting import fit_tokens
from domino.shared_prefix import Text
from tests.tiny import make_model

CONFIG = FitConfig(
    domain_tokens=3, sample_tokens=2, steps=9, batch_size=3, evaluate_every=2, checkpoint_every=2,
    held_out=0.2, learning_rate=0.3,
)  # fmt: skip


class Killed(BaseException):
    """What ends a process in the middle of a fit."""


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def texts():
    draw = torch.Generator().manual_seed(5)
    lengths = (7, 3, 9, 4, 6, 5, 8, 2, 6, 7)
    return [Text(torch.randint(5, 320, (length,), generator=draw)) for length in lengths]


def fit(model, texts, directory, config=CONFIG, seed=1, dies_at=None):
    """Fit with a log that kills at a step; return what was fitted and all that was logged."""
    rows = []

    def log(metrics, step):
        rows.append((step, dict(metrics)))
        if step == dies_at:
            raise Killed

    guard = Guard(draw=lambda tokens: [f"sample {tokens.sum():.6f}"], references=("a", "b"))
    try:
        return fit_tokens(
            model, texts, config, seed, guard=guard, checkpoints=directory, log=log
        ), rows
    except Killed:
        return None, rows


@pytest.mark.parametrize("changes", [{}, {"patience": 1}, {"w_contrastive": 0.0}])
def test_a_kill_after_any_step_changes_neither_curve_nor_tokens(model, texts, tmp_path, changes):
    config = dataclasses.replace(CONFIG, **changes)
    whole, expected = fit(model, texts, tmp_path / "whole", config)
    for step in range(1, len(expected) + 1):
        fit(model, texts, tmp_path / str(step), config, dies_at=step)
        resumed, rows = fit(model, texts, tmp_path / str(step), config)
        assert rows == expected
        assert torch.equal(resumed.domain_PH, whole.domain_PH)
        assert (resumed.step, resumed.held_out_loss) == (whole.step, whole.held_out_loss)
        assert resumed.curve == whole.curve


def test_steps_before_the_checkpoint_are_not_taken_again(model, texts, tmp_path, monkeypatch):
    fit(model, texts, tmp_path, dies_at=5)
    taken = []
    step = FitRun.step
    monkeypatch.setattr(
        FitRun, "step", lambda self, batch, **more: taken.append(1) or step(self, batch, **more)
    )
    fit(model, texts, tmp_path)
    assert len(taken) == CONFIG.steps - 4


def test_checkpoints_do_not_change_a_fit(model, texts, tmp_path):
    with_file, _ = fit(model, texts, tmp_path)
    without, _ = fit(model, texts, None)
    seldom, _ = fit(model, texts, tmp_path / "b", dataclasses.replace(CONFIG, checkpoint_every=0))
    assert torch.equal(with_file.domain_PH, without.domain_PH)
    assert torch.equal(with_file.domain_PH, seldom.domain_PH)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("change", ["config", "seed", "texts", "model"])
def test_the_checkpoint_of_another_fit_is_refused(model, texts, tmp_path, change):
    fit(model, texts, tmp_path, dies_at=5)
    other = {
        "config": lambda: fit(model, texts, tmp_path, dataclasses.replace(CONFIG, steps=20)),
        "seed": lambda: fit(model, texts, tmp_path, seed=2),
        "texts": lambda: fit(model, texts[1:], tmp_path),
        "model": lambda: fit(make_model(seed=1), texts, tmp_path),
    }
    with pytest.raises(FittingError, match="is the checkpoint of another fit"):
        other[change]()


def test_how_often_a_checkpoint_is_written_is_not_what_is_fitted(model, texts, tmp_path):
    whole, _ = fit(model, texts, None)
    fit(model, texts, tmp_path, dies_at=5)
    resumed, _ = fit(model, texts, tmp_path, dataclasses.replace(CONFIG, checkpoint_every=3))
    assert torch.equal(resumed.domain_PH, whole.domain_PH)


@pytest.mark.parametrize("damage", ["garbage", "torn", "other"])
def test_a_damaged_checkpoint_is_named(model, texts, tmp_path, damage):
    fit(model, texts, tmp_path, dies_at=5)
    file = tmp_path / "fit.pt"
    if damage == "other":
        torch.save([1, 2], file)
    else:
        file.write_bytes(b"no archive" if damage == "garbage" else file.read_bytes()[:-200])
    with pytest.raises(FittingError, match=r"fit\.pt is not a checkpoint of a fit"):
        fit(model, texts, tmp_path)
