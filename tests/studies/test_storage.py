"""Where studies are kept: journals that a kill left unfinished, and folders of odd names."""

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import sqlite_url
from studies.storage import existing_storage, open_storage


def study(address: str, trials: int = 0) -> optuna.Study:
    made = optuna.create_study(storage=open_storage(address), study_name="s", load_if_exists=True)
    for number in range(trials):
        made.add_trial(create_trial(value=number))
    return made


def values(address: str) -> list[float | None]:
    return [trial.value for trial in study(address).get_trials()]


@pytest.mark.parametrize("lost", [1, 2, 30])
def test_a_journal_that_ends_in_the_middle_of_a_record_goes_on(tmp_path: Path, lost: int) -> None:
    journal = tmp_path / "journal"
    study(str(journal), trials=3)
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-lost])
    assert values(str(journal)) == [0, 1], "only the current record is lost"
    study(str(journal), trials=1)
    assert values(str(journal)) == [0, 1, 0]
    assert journal.read_bytes().startswith(whole[: whole.rindex(b"\n", 0, -1) + 1])


def test_a_process_goes_on_that_saw_another_end_in_the_middle_of_a_record(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    living = study(str(journal), trials=1)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","stu')
    living.add_trial(create_trial(value=5))
    assert [trial.value for trial in living.get_trials()] == [0, 5]
    assert values(str(journal)) == [0, 5]


@pytest.mark.parametrize("left", [0, 1, 20])
def test_a_journal_whose_first_record_is_unfinished_begins_again(tmp_path: Path, left: int) -> None:
    journal = tmp_path / "journal"
    study(str(journal))
    journal.write_bytes(journal.read_bytes()[:left])
    study(str(journal), trials=1)
    assert values(str(journal)) == [0]


@pytest.mark.parametrize("text", ["no newline", '{"a": 1}', "5\n", "[]\n"])
def test_another_file_is_refused_and_left_as_it_was(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match="cannot be used"):
        open_storage(str(file))
    assert file.read_text() == text


def test_a_database_below_a_folder_of_any_name_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "feature%2Fx a?b#c {d} %é"
    address = sqlite_url(folder / "studies.db")
    with pytest.raises(ConfigError, match="is not there"):
        existing_storage(address)
    study(address, trials=1)
    assert values(address) == [0]
    assert existing_storage(address).get_all_studies()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    with closing(sqlite3.connect(folder / "studies.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM trials").fetchone() == (1,)
