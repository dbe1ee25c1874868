"""A fit that is worse than others stops early, and nothing takes what it left for whole."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from studies.loop import execute
from studies.trials import REASON
from tests.benchmarks import tiny_run
from tests.studies import toy

LEVELS = (100, 110, 120, 130, 140, 900, 105)


def run(model: Path, folder: Path, **changes: Any) -> optuna.Study:
    """A study whose sixth fit is far worse than the five before it."""
    toy.Falling.steps.clear()
    config = toy.study(
        model, folder / "runs", spaces={"falling": toy.levels}, method="falling",
        objective="held-out-loss", sampler="grid", grid={"start": LEVELS}, trials=len(LEVELS),
        **{"pruner": "median", "storage": str(folder / "journal"), **changes},
    )  # fmt: skip
    return execute(config, plain=True, test=False, make_engine=tiny_run.make_engine).study


def steps(level: int) -> list[int]:
    return [step for start, step in toy.Falling.steps if start == level]


def test_a_fit_that_is_worse_than_the_median_ends_at_its_first_evaluation(
    no_backbone: Path, tmp_path: Path
) -> None:
    study = run(no_backbone, tmp_path)
    trials = study.get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE"] * 5 + ["PRUNED", "COMPLETE"]
    assert steps(900) == [10]
    assert steps(105) == [10, 20, 30, 40, 50]
    assert trials[5].user_attrs[REASON] == "pruned: held-out loss 910.0000 at step 10"
    assert study.best_value == 100 + 100 / 50
    assert [t.value for t in trials if t.state == TrialState.COMPLETE] == [
        level + 2.0 for level in (*LEVELS[:5], 105)
    ]


def test_a_setting_that_is_worse_than_the_median_after_a_seed_gets_no_other(
    no_backbone: Path, tmp_path: Path
) -> None:
    study = run(no_backbone, tmp_path, prune_by="seeds", run={"seeds": (0, 1)})
    trials = study.get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE"] * 5 + ["PRUNED", "COMPLETE"]
    assert steps(900) == [10, 20, 30, 40, 50], "one seed, to its end"
    assert steps(105) == [10, 20, 30, 40, 50] * 2
    assert trials[5].user_attrs[REASON] == "pruned: 902.0000 over 1 of 2 seeds"
    assert [list(t.intermediate_values) for t in trials] == [[1]] * len(LEVELS)
    assert study.best_value == 100 + 100 / 50


def test_halving_gives_a_second_seed_to_the_better_half_of_those_that_came_so_far(
    no_backbone: Path, tmp_path: Path
) -> None:
    study = run(no_backbone, tmp_path, pruner="halving", prune_by="seeds", run={"seeds": (0, 1)})
    states = [t.state.name for t in study.get_trials()]
    assert states == ["COMPLETE"] + ["PRUNED"] * 5 + ["COMPLETE"], "105 is second of seven"
    assert study.best_value == 100 + 100 / 50


def test_what_a_pruned_trial_left_is_not_taken_for_whole(no_backbone: Path, tmp_path: Path) -> None:
    run(no_backbone, tmp_path)
    left = [p for p in (tmp_path / "runs").glob("stages/*") if not (p / "manifest.json").exists()]
    assert len(left) == 1
    assert not (left[0] / "method").exists()
    again = run(no_backbone, tmp_path, pruner="none", storage=str(tmp_path / "another"))
    assert steps(900) == [10, 20, 30, 40, 50], "the same setting is fitted from its start"
    assert [t.value for t in again.get_trials()] == [level + 2.0 for level in LEVELS]
    assert (left[0] / "manifest.json").exists()


def test_a_stored_fit_is_judged_as_a_new_one(no_backbone: Path, tmp_path: Path) -> None:
    run(no_backbone, tmp_path, pruner="none")
    judged = run(no_backbone, tmp_path, storage=str(tmp_path / "another"))
    assert toy.Falling.steps == []
    assert [t.state.name for t in judged.get_trials()] == ["COMPLETE"] * 5 + ["PRUNED", "COMPLETE"]


@pytest.mark.parametrize(("objective", "sign"), [("held-out-loss", 1), ("formula", -1)])
def test_intermediate_values_point_the_way_of_the_objective(
    objective: str, sign: int, no_backbone: Path, tmp_path: Path
) -> None:
    from benchmarks.console.display import Display
    from benchmarks.pipeline.pipeline import open_pipeline
    from studies.trials import Watcher

    config = toy.study(no_backbone, tmp_path / "runs", objective=objective)
    pipeline = open_pipeline(config.run, display=Display(), steps=0)
    study = optuna.create_study(direction=config.aim.direction)
    trial = study.ask()
    watcher = Watcher(trial, pipeline, config)
    log = watcher.watched(pipeline).context.log
    for step, loss in ((10, 3.0), (10, 4.0), (20, 2.0)):
        log({"loss": 9.0, "held_out": loss}, step)
    log({"loss": 9.0}, 30)
    watcher.watched(pipeline).context.log({"held_out": 1.0}, 10)
    assert study.get_trials()[0].intermediate_values == {10: sign * 3.0, 20: sign * 2.0}
    assert watcher.steps == 30 + 10, "all fits count, the first alone is judged"


def test_a_setting_that_no_fit_can_follow_is_a_pruned_trial_with_its_reason(
    no_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from domino.synthesizer import SynthesisError

    fit = toy.Falling.fit

    def refuse(self, domain, context):
        if self.config.start == 120:
            raise SynthesisError("120 does not fit")
        fit(self, domain, context)

    monkeypatch.setattr(toy.Falling, "fit", refuse)
    trials = run(no_backbone, tmp_path, pruner="none").get_trials()
    assert [t.state.name for t in trials].count("PRUNED") == 1
    assert trials[2].user_attrs[REASON] == "refused: 120 does not fit"
    assert "1 settings were refused; trial 2: refused: 120 does not fit" in capsys.readouterr().out
