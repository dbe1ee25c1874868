"""A study that is killed, at any instant, is the study that was not."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from studies.loop import execute
from studies.slots import trials_by_slot
from studies.storage import open_storage
from tests.benchmarks import tiny_run
from tests.studies import toy

ROOT = Path(__file__).resolve().parents[2]


def start(
    model: Path, *arguments: str, dies: int | None = None, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.studies.toy", str(model), "--study", "toy",
         "--trials-only", *arguments],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, toy.DIES: str(dies or ""), **environment},
    )  # fmt: skip


def finished(study: optuna.Study) -> dict[int, tuple[dict, list[float]]]:
    """What each slot came to."""
    return {
        slot: (trial.params, trial.values)
        for slot, own in trials_by_slot(study.get_trials()).items()
        for trial in own
        if trial.state == TrialState.COMPLETE
    }


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_a_storage_that_no_longer_answers_ends_the_study_in_one_line(
    no_backbone: Path, tmp_path: Path
) -> None:
    database = tmp_path / "studies.db"
    options = ["--output", str(tmp_path / "runs"), "--storage", f"sqlite:///{database}"]
    with start(no_backbone, *options, **{toy.LOSES: str(database)}) as child:
        text = child.communicate()[0]
    assert child.returncode == 1, text
    assert "Traceback" not in text
    assert "no longer answers" in text.splitlines()[-1]
    with closing(sqlite3.connect(database)) as found:
        found.execute("ALTER TABLE lost RENAME TO trials")
    with start(no_backbone, *options) as child:
        text = child.communicate()[0]
    assert child.returncode == 0, text


def test_killed_twice_and_resumed_equals_undisturbed(no_backbone: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs"
    for dies in (3, 9, None):  # the second in the eleventh trial, where the sampler models already
        with start(no_backbone, "--output", str(output), dies=dies) as child:
            text = child.communicate()[0]
        assert child.returncode == (0 if dies is None else -9), text
    resumed = kept(f"sqlite:///{output / 'studies.db'}")
    undisturbed = run(no_backbone, tmp_path / "undisturbed")
    assert sorted(states(resumed)) == ["COMPLETE"] * 12 + ["FAIL"] * 2
    assert finished(resumed) == finished(undisturbed)
    assert resumed.best_value == undisturbed.best_value


def kept(address: str) -> optuna.Study:
    return optuna.load_study(study_name="toy.counting", storage=open_storage(address))


def run(model: Path, output: Path, **changes: object) -> optuna.Study:
    journal = output.with_suffix(".journal")
    config = toy.study(model, output, storage=str(journal), **changes)
    return execute(config, plain=True, test=False, make_engine=tiny_run.make_engine).study


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
def test_equal_seeds_give_equal_studies_and_other_seeds_others(
    sampler: str, no_backbone: Path, tmp_path: Path
) -> None:
    one, same, other = (
        finished(run(no_backbone, tmp_path / name, sampler=sampler, seed=seed, trials=12))
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    )
    assert one == same
    assert one != other


def test_more_trials_continue_a_study_and_fewer_do_nothing(
    no_backbone: Path, tmp_path: Path
) -> None:
    run(no_backbone, tmp_path / "a", trials=11)
    continued = run(no_backbone, tmp_path / "a", trials=14)
    assert finished(continued) == finished(run(no_backbone, tmp_path / "b", trials=14))
    run(no_backbone, tmp_path / "a", trials=2)
    assert states(continued) == ["COMPLETE"] * 14


def test_several_processes_finish_exactly_as_many_trials_as_asked_for(
    no_backbone: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "toy.journal"
    options = ["--output", str(tmp_path / "runs"), "--sampler", "random", "--trials", "15",
               "--storage", str(journal)]  # fmt: skip
    meeting = tmp_path / "3"
    meeting.mkdir()
    where = {toy.MEETING: str(meeting)}
    children = [start(no_backbone, *options, dies=dies, **where) for dies in (None, 1, None)]
    texts = [child.communicate()[0] for child in children]
    assert sorted(child.returncode for child in children) == [-9, 0, 0], texts
    study = kept(str(journal))
    counts = {state: states(study).count(state) for state in ("COMPLETE", "RUNNING", "WAITING")}
    assert counts == {"COMPLETE": 15, "RUNNING": 0, "WAITING": 0}
    assert sorted(finished(study)) == list(range(15))
    assert states(study).count("FAIL") >= 1, "the trial of the process that was killed"


def test_the_grid_is_tried_point_by_point(no_backbone: Path, tmp_path: Path) -> None:
    grid = {"supply": (1, 40), "sampling.temperature": (0.5, 0.7, 0.9), "start": (2,)}
    study = run(no_backbone, tmp_path / "runs", sampler="grid", grid=grid, trials=6)
    tried = [(t.params["supply"], t.params["sampling.temperature"]) for t in study.get_trials()]
    assert tried == [(s, t) for s in (1, 40) for t in (0.5, 0.7, 0.9)]
