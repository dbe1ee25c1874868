"""Several objectives: what the front is, and which of its trials is chosen."""

from pathlib import Path

import optuna
import pytest

from benchmarks.common.fields import ConfigError
from studies.front import chosen_trial, front
from studies.loop import StudyResult, execute
from tests.benchmarks import tiny_run
from tests.studies import toy


def run(model: Path, folder: Path, **changes) -> StudyResult:
    config = toy.study(
        model, folder / "runs", also=("cost",), sampler="random", trials=10,
        storage=str(folder / "journal"), **changes,
    )  # fmt: skip
    return execute(config, plain=True, test=False, make_engine=tiny_run.make_engine)


def beats(one: list[float], other: list[float]) -> bool:
    """More of the first, less of the second, and not equal."""
    return one[0] >= other[0] and one[1] <= other[1] and one != other


def test_the_front_is_what_nothing_beats_and_its_best_by_the_first_objective_is_chosen(
    no_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(no_backbone, tmp_path)
    trials = outcome.study.get_trials()
    expected = {t.number for t in trials if not any(beats(o.values, t.values) for o in trials)}
    found = front(outcome.study)
    assert {trial.number for trial in found} == expected
    assert [t.values[0] for t in found] == sorted((t.values[0] for t in found), reverse=True)
    assert outcome.best.number == found[0].number
    assert outcome.best.values[0] == max(t.values[0] for t in trials)
    said = capsys.readouterr().out
    assert "the front of formula, cost" in said
    assert "it has the best formula" in said
    assert (tmp_path / "runs/studies/toy.counting/figures/pareto.svg").exists()

    other = run(no_backbone, tmp_path, choose=found[-1].number)
    assert other.best.number == found[-1].number
    beaten = next(t.number for t in trials if t.number not in expected)
    with pytest.raises(ConfigError, match=rf"choose is {beaten}: this trial is not on the front"):
        run(no_backbone, tmp_path, choose=beaten)


def test_with_one_objective_the_first_of_equal_trials_is_chosen(
    no_backbone: Path, tmp_path: Path
) -> None:
    study = optuna.create_study(direction="maximize")
    for value in (1.0, 3.0, 2.0, 3.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    config = toy.study(no_backbone, tmp_path)
    assert [trial.number for trial in front(study)] == [1, 3]
    assert chosen_trial(config, study).number == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"also": ("formula",)}, "objective repeats one of formula, formula: give each once"),
        ({"also": ("cost",), "pruner": "median"}, "pruner is 'median' with 2 objectives"),
        ({"also": ("fame",)}, "objective: unknown 'fame'"),
        ({"measures": ("copys",)}, "objective: unknown 'copys' \\(did you mean 'copies'"),
        ({"varies": ("seeds",)}, "varies: unknown 'seeds'"),
    ],
)
def test_objectives_that_cannot_be_are_refused(changes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        toy.study(tmp_path, tmp_path / "runs", **changes)
