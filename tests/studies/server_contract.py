"""What a study may expect of every database server, to inherit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import sqlalchemy

from studies.storage import open_storage
from tests.studies import toy
from tests.studies.test_resuming import finished, start, states

TRIALS = 14


@contextmanager
def connected(url: str) -> Iterator[optuna.storages.RDBStorage]:
    """The storage, until its connections are closed: the server stops while the test goes on."""
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


class ServerContract:
    """Inherit, and give a fixture `server`: the URL of an empty database."""

    cut_others: str
    """The statement that cuts the connections that are not its own."""

    def test_two_processes_finish_exactly_as_many_trials_as_asked_for(
        self, server: str, no_backbone: Path, tmp_path: Path
    ) -> None:
        """One of them is killed in its third trial: the other finishes that one too."""
        options = ["--output", str(tmp_path / "runs"), "--trials", str(TRIALS), "--storage", server]
        meeting = tmp_path / "2"
        meeting.mkdir()
        together = {toy.MEETING: str(meeting)}  # else the first to start may do all trials
        children = [start(no_backbone, *options, dies=dies, **together) for dies in (3, None)]
        texts = [child.communicate()[0] for child in children]
        assert [child.returncode for child in children] == [-9, 0], texts
        secret = sqlalchemy.make_url(server).password
        assert not secret or not any(secret in text for text in texts)
        with connected(server) as storage:
            study = optuna.load_study(study_name="toy.counting", storage=storage)
            assert sorted(finished(study)) == list(range(TRIALS))
            found = states(study)
        counts = {state: found.count(state) for state in ("COMPLETE", "RUNNING", "WAITING")}
        assert counts == {"COMPLETE": TRIALS, "RUNNING": 0, "WAITING": 0}
        assert found.count("FAIL") >= 1

    def test_a_connection_that_was_cut_is_made_anew(self, server: str) -> None:
        with connected(server) as storage, connected(server) as other:
            study = optuna.create_study(storage=storage)
            with other.engine.connect() as connection:
                for (cut,) in connection.execute(sqlalchemy.text(self.cut_others)).all():
                    if isinstance(cut, str):  # MySQL cuts them one by one
                        connection.execute(sqlalchemy.text(cut))
            study.set_user_attr("after", "the cut")
            assert study.user_attrs == {"after": "the cut"}
