import json
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from benchmarks.store.provenance import process_tags
from studies import slots, storage
from studies.loop import work
from studies.slots import PROCESS, SlotTaken, claim_slot, trials_by_slot


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def value(trial: optuna.Trial) -> float:
    claim_slot(trial, 3)
    return float(trial.number)


def states(study: optuna.Study) -> dict[int, list[str]]:
    return {slot: [trial.state.name for trial in own]
            for slot, own in sorted(trials_by_slot(study.get_trials()).items())}  # fmt: skip


def no_wait() -> None:
    raise AssertionError("it waits")


def test_trials_that_two_processes_begin_at_once_are_not_one_too_many(study: optuna.Study) -> None:
    ours, theirs, needless = (study.ask() for _ in range(3))
    claim_slot(ours, 2)
    claim_slot(theirs, 2)
    with pytest.raises(SlotTaken):
        claim_slot(needless, 2)


def test_what_gave_way_is_taken_up_when_more_trials_are_asked_for(study: optuna.Study) -> None:
    work(study, value, 2, wait=no_wait)
    study.tell(study.ask(), state=TrialState.FAIL)  # as a trial that gives way ends
    work(study, value, 3, wait=no_wait)
    assert states(study) == {0: ["COMPLETE"], 1: ["COMPLETE"], 2: ["FAIL", "COMPLETE"]}


def test_of_two_retries_of_one_slot_one_gives_way(study: optuna.Study) -> None:
    study.tell(study.ask(), state=TrialState.FAIL)
    for _ in range(2):  # as two processes do that find it at once
        slots.retry(study, 0, study.get_trials())
    first, second = study.ask(), study.ask()
    with pytest.raises(SlotTaken):
        claim_slot(second, 1)
    claim_slot(first, 1)
    study.tell(second, state=TrialState.FAIL)
    study.tell(first, 0.0)
    work(study, value, 1, wait=no_wait)
    assert states(study) == {0: ["FAIL", "COMPLETE", "FAIL"]}


def test_a_retry_has_the_setting_of_the_trial_that_died(study: optuna.Study) -> None:
    def dying(trial: optuna.Trial) -> float:
        claim_slot(trial, 1)
        tried.append(trial.suggest_float("x", 0, 1))
        trial.set_user_attr(slots.SETTING, trial.params)
        if len(tried) < 3:
            raise OSError("the machine is broken")
        return tried[-1]

    tried: list[float] = []
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            work(study, dying, 1, wait=no_wait)
    work(study, dying, 1, wait=no_wait)
    assert len(set(tried)) == 1
    assert states(study) == {0: ["FAIL", "FAIL", "COMPLETE"]}


def test_a_slot_whose_trials_die_again_and_again_is_given_up(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "RETRIES", 2)

    def deadly(trial: optuna.Trial) -> float:
        claim_slot(trial, 2)
        if slots.slot_of(study, trial.number) == 0:
            raise OSError("out of memory")
        return 1.0

    for _ in range(3):
        with pytest.raises(OSError, match="out of memory"):
            work(study, deadly, 2, wait=no_wait)
    work(study, deadly, 2, wait=no_wait)
    assert states(study) == {0: ["FAIL"] * 3, 1: ["COMPLETE"]}


def dead_process() -> dict[str, str]:
    code = (
        "import json; from benchmarks.store.provenance import process_tags; "
        "print(json.dumps(process_tags()))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    tags: dict[str, str] = json.loads(done.stdout)
    return tags


def test_a_dead_processes_trial_is_retried_and_a_living_ones_is_waited_for(
    study: optuna.Study,
) -> None:
    dead, living = study.ask(), study.ask()
    dead.set_user_attr(PROCESS, dead_process())
    living.set_user_attr(PROCESS, process_tags())
    work(study, value, 3, wait=lambda: study.tell(living, 5.0) and None)
    assert states(study) == {0: ["FAIL", "COMPLETE"], 1: ["COMPLETE"], 2: ["COMPLETE"]}
    assert study.get_trials()[1].value == 5.0


def test_a_process_whose_trial_was_declared_dead_goes_on_with_others(study: optuna.Study) -> None:
    def slow(trial: optuna.Trial) -> float:
        claim_slot(trial, 2)
        if trial.number == 0:  # so slow that another process takes it for dead
            study.tell(trial.number, state=TrialState.FAIL)
            trial.set_user_attr("late", True)
        return 1.0

    work(study, slow, 2, wait=no_wait)
    assert states(study) == {0: ["FAIL", "COMPLETE"], 1: ["COMPLETE"]}


def test_an_error_of_the_objective_is_not_taken_for_a_trial_declared_dead(
    study: optuna.Study,
) -> None:
    def wrong(trial: optuna.Trial) -> float:
        claim_slot(trial, 1)
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        work(study, wrong, 1, wait=no_wait)


@pytest.mark.parametrize(("minutes", "state"), [(0, "RUNNING"), (3, "FAIL")])
def test_a_trial_that_was_never_signed_is_dead_after_minutes(
    minutes: int, state: str, study: optuna.Study
) -> None:
    trial = create_trial(state=TrialState.RUNNING)
    trial.datetime_start = datetime.now() - timedelta(minutes=minutes)  # noqa: DTZ005 - as Optuna's
    study.add_trial(trial)
    slots.fail_dead_trials(study)
    assert study.get_trials()[0].state.name == state


def test_a_trial_of_another_machine_is_dead_when_its_heart_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_HEARTBEAT_S", 1)
    monkeypatch.setattr(storage, "_GRACE_S", 1)
    kept = storage.open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    study = optuna.create_study(storage=kept)
    elsewhere = {**process_tags(), "domino.host": "another machine"}

    def begin(trial: optuna.Trial) -> float:
        trial.set_user_attr(PROCESS, elsewhere)
        raise SystemExit  # as a killed process leaves it: running, its heart stopped

    with pytest.raises(SystemExit):
        study.optimize(begin, n_trials=1)
    assert states(study) == {0: ["RUNNING"]}
    work(study, value, 3, wait=lambda: time.sleep(0.5))
    assert states(study) == {0: ["FAIL", "COMPLETE"], 1: ["COMPLETE"], 2: ["COMPLETE"]}
