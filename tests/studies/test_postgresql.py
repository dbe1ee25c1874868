"""Studies on a real PostgreSQL server, which the tests start."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studies.server_contract import ServerContract

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


@pytest.mark.slow
class TestPostgresql(ServerContract):
    cut_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid()"
    )
