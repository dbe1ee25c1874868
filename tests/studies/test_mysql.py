"""Studies on a real MariaDB or MySQL server, which the tests start."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest
import sqlalchemy
from sqlalchemy import event

from benchmarks.common.fields import ConfigError
from studies.storage import open_storage
from tests.studies.server_contract import ServerContract, connected

PASSWORD = "se/c:r?t{x}%"
FOLDERS = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
OPTIONS = (
    "--skip-networking", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=16M",
    "--loose-innodb-snapshot-isolation=ON",  # MariaDB's default from 11.6 on
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a database on a socket of its own; as root the server runs as `mysql`."""
    program = shutil.which("mariadbd", path=FOLDERS) or shutil.which("mysqld", path=FOLDERS)
    if program is None:
        pytest.skip("no MariaDB or MySQL server is installed")
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="my-"))  # short: a socket's path may have 107 characters
    (folder / "init.sql").write_text(
        "CREATE DATABASE studies;\n"
        f"CREATE USER 'domino'@'localhost' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON studies.* TO 'domino'@'localhost';\n"
    )
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    try:
        make_data(program, user, folder)
        with running(program, user, folder):
            yield (
                f"mysql+pymysql://domino:{quote(PASSWORD, safe='')}@localhost/studies"
                f"?unix_socket={folder / 'socket'}"
            )
    finally:
        shutil.rmtree(folder)


def make_data(program: str, user: str, folder: Path) -> None:
    """Make the server's own tables; MySQL's server does that itself."""
    install = shutil.which("mariadb-install-db", path=FOLDERS)
    command = [install, "--no-defaults", "--auth-root-authentication-method=normal"]
    if install is None:
        command = [program, "--no-defaults", "--initialize-insecure"]
    subprocess.run(
        [*command, f"--datadir={folder / 'data'}", f"--user={user}"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip


@contextmanager
def running(program: str, user: str, folder: Path) -> Iterator[None]:
    """Run the server, from when it answers on."""
    path = folder / "socket"
    command = [
        program, "--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}",
        f"--socket={path}", f"--pid-file={folder / 'pid'}", f"--init-file={folder / 'init.sql'}",
        *OPTIONS,
    ]  # fmt: skip
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not answers(path):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def answers(path: Path) -> bool:
    """Whether the server listens: it greets once all is ready."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextmanager
def overtaken(statement: str, act: Callable[[], object]) -> Iterator[None]:
    """Let another process act once, just before this statement."""
    acts = [act]

    def overtake(connection, cursor, text: str, *_: object) -> None:
        if statement in text and acts:
            acts.pop()()

    event.listen(sqlalchemy.Engine, "before_cursor_execute", overtake)
    try:
        yield
    finally:
        event.remove(sqlalchemy.Engine, "before_cursor_execute", overtake)
    assert not acts


@pytest.mark.slow
class TestMysql(ServerContract):
    cut_others = (
        "SELECT CONCAT('KILL ', id) FROM information_schema.processlist"
        " WHERE user = 'domino' AND id <> CONNECTION_ID()"
    )

    @pytest.mark.parametrize("statement", ["CREATE TABLE studies", "INSERT INTO alembic_version"])
    def test_two_processes_open_an_empty_database_at_once(
        self, server: str, statement: str
    ) -> None:
        def open_and_close() -> None:
            with connected(server) as storage:
                assert optuna.get_all_study_names(storage) == []

        with overtaken(statement, open_and_close):
            open_and_close()

    def test_two_processes_write_the_same_attribute_at_once(self, server: str) -> None:
        with connected(server) as storage, connected(server) as other:
            ours = optuna.create_study(storage=storage, study_name="one")
            ours.set_user_attr("same", 0)
            theirs = optuna.load_study(storage=other, study_name="one")
            with overtaken("UPDATE study_user_attr", lambda: theirs.set_user_attr("same", 1)):
                ours.set_user_attr("same", 2)
            assert theirs.user_attrs["same"] == 2

    def test_a_wrong_password_is_said_and_not_shown(self, server: str) -> None:
        wrong = server.replace(quote(PASSWORD, safe=""), "wr/o:ng")
        with pytest.raises(ConfigError, match="Access denied for user 'domino'") as raised:
            open_storage(wrong)
        assert "wr/o" not in str(raised.value)
        assert "ng@" not in str(raised.value)
