"""Two processes share one study on a real PostgreSQL server, which the test starts."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest

from studies.storage import open_storage
from tests.studies.test_resuming import finished, start, states

TRIALS = 14
FOLDERS = (Path("/usr/local/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin")))


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a database on a socket of its own; the server refuses to run as root."""
    tools = next((f for f in reversed(FOLDERS) if (f / "initdb").exists()), None)
    if tools is None:
        pytest.skip("no PostgreSQL server is installed")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path may have 107 characters
    if os.geteuid() == 0:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        as_user = {"user": user} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(tools / command[0]), "-D", str(folder / "data"), *command[1:]],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120, **as_user,
        )  # fmt: skip

    try:
        run("initdb", "-U", "domino", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://domino@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def connected(url: str) -> Iterator[optuna.Study]:
    """The study, until the connection is closed: the server stops while the test goes on."""
    storage = open_storage(url)
    try:
        yield optuna.load_study(study_name="toy.counting", storage=storage)
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
def test_two_processes_on_one_postgresql_finish_exactly_as_many_trials_as_asked_for(
    server: str, no_backbone: Path, tmp_path: Path
) -> None:
    """One of them is killed in its third trial: the other finishes that one too."""
    options = ["--output", str(tmp_path / "runs"), "--trials", str(TRIALS), "--storage", server]
    children = [start(no_backbone, *options, dies=dies) for dies in (3, None)]
    texts = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [-9, 0], texts
    with connected(server) as study:
        assert sorted(finished(study)) == list(range(TRIALS))
        counts = {state: states(study).count(state) for state in ("COMPLETE", "RUNNING", "WAITING")}
        assert counts == {"COMPLETE": TRIALS, "RUNNING": 0, "WAITING": 0}
        assert states(study).count("FAIL") >= 1
