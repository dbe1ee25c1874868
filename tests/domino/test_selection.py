"""Which step is kept, with samples and losses that the test decides."""

import dataclasses

import pytest
import torch

from domino.diagnostics import Guard
from domino.fit_config import FitConfig
from domino.fit_losses import FitLosses
from domino.selection import Selection
from domino.shared_prefix import Text
from tests.tiny import make_model

CONFIG = FitConfig(guard_share=0.5)
REFERENCE, OTHER = "Sort the list", "Sum the list"
COPIES, FRESH = [REFERENCE] * 3 + ["new"], ["one", "two", "three", REFERENCE]
REPEATS = ["same"] * 4


@pytest.fixture
def looked(monkeypatch):
    """Look at steps of given held-out losses and samples; return the selection and what it drew."""

    def look(steps, config=CONFIG, held_out=True):
        losses, drawn = {}, []
        monkeypatch.setattr(
            FitLosses, "held_out", lambda self, tokens_PH, texts: losses[int(tokens_PH[0, 0])]
        )

        def draw(tokens_PH):
            step = int(tokens_PH[0, 0])
            drawn.append(step)
            return steps[step - 1][1]

        selection = Selection(
            FitLosses(make_model(), config),
            [Text(torch.tensor([1]))] if held_out else [],
            config,
            guard=Guard(draw=draw, references=(REFERENCE, OTHER)),
        )
        seen = []
        for step, (loss, _) in enumerate(steps, 1):
            losses[step] = loss
            seen.append(selection.look(torch.full((1, 32), float(step)), step))
        return selection, drawn, seen

    return look


def test_a_checkpoint_that_copies_references_is_passed_over(looked):
    selection, _, _ = looked([(3.0, FRESH), (2.0, FRESH), (1.0, COPIES)])
    assert selection.best.step == 2


def test_a_checkpoint_whose_samples_repeat_one_another_is_passed_over(looked):
    selection, _, _ = looked([(3.0, FRESH), (1.0, REPEATS)])
    assert selection.best.step == 1


def test_a_share_at_the_limit_is_allowed(looked):
    config = dataclasses.replace(CONFIG, guard_share=0.75)
    selection, _, _ = looked([(3.0, FRESH), (1.0, COPIES)], config)
    assert selection.best.step == 2


def test_samples_are_drawn_only_of_what_would_become_the_best(looked):
    _, drawn, seen = looked([(3.0, FRESH), (4.0, COPIES), (2.0, FRESH), (2.5, FRESH)])
    assert drawn == [1, 3]
    assert seen[0] == {"held_out": 3.0, "copy_rate": 0.25, "distinct_rate": 1.0}
    assert seen[1] == {"held_out": 4.0}


def test_where_all_copy_the_one_that_copies_least_is_kept(looked):
    config = dataclasses.replace(CONFIG, guard_share=0.1)
    all_copies = [REFERENCE, OTHER, REFERENCE.upper(), OTHER]
    selection, _, _ = looked([(3.0, all_copies), (2.0, FRESH), (1.0, COPIES)], config)
    assert selection.best.step == 2


def test_without_held_out_references_the_last_step_that_does_not_copy_is_kept(looked):
    selection, _, seen = looked([(0, FRESH), (0, FRESH), (0, COPIES)], held_out=False)
    assert selection.best.step == 2
    assert "held_out" not in seen[0]


def test_patience_counts_looks_without_a_new_best(looked):
    config = dataclasses.replace(CONFIG, patience=2)
    assert not looked([(2.0, FRESH), (1.0, COPIES)], config)[0].exhausted
    assert looked([(2.0, FRESH), (1.0, COPIES), (3.0, FRESH)], config)[0].exhausted


def test_no_samples_asked_for_is_no_guard(looked):
    config = dataclasses.replace(CONFIG, guard_samples=0)
    selection, drawn, _ = looked([(3.0, FRESH), (1.0, COPIES)], config)
    assert (selection.best.step, drawn) == (2, [])
