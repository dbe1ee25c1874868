"""What commands do where output is not read, full or closed, where nobody has a home, off Linux."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from benchmarks.common.process import prepare_process
from benchmarks.sandbox import NoSandboxError, SandboxConfig
from benchmarks.sandbox.host import Worker

ROOT = Path(__file__).resolve().parents[2]
WRITES = """
import sys
from benchmarks.cli.exit_codes import exit_code
def plain():
    print("a line")
    return 0
def table():
    from rich.console import Console
    Console().print("a table")
    return 0
def work():
    return {"plain": plain, "table": table}[sys.argv[1]]()
sys.exit(exit_code("the.command", work))
"""
COMMANDS = ("benchmarks.run", "benchmarks.report", "benchmarks.status", "benchmarks.evaluate",
            "studies.run")  # fmt: skip


@pytest.fixture
def unread() -> Iterator[IO[bytes]]:
    """A pipe whose reader has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as file:  # noqa: PTH123 - a descriptor
        yield file


def run(arguments: list[str], stdout: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, text=True, stdout=stdout, stderr=subprocess.PIPE,
        check=False, **more,
    )  # fmt: skip


@pytest.mark.parametrize("what", ["plain", "table"])
@pytest.mark.parametrize("buffering", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_output_that_nobody_reads_ends_the_command_in_silence(
    what: str, buffering: list[str], unread: IO[bytes]
) -> None:
    ended = run([*buffering, "-c", WRITES, what], unread)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_silence_where_its_help_is_not_read(
    command: str, unread: IO[bytes]
) -> None:
    ended = run(["-m", command, "--help"], unread)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("what", ["plain", "table"])
@pytest.mark.parametrize("buffering", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_output_that_is_full_is_one_line(what: str, buffering: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run([*buffering, "-c", WRITES, what], full)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("the.command: ")
    assert "standard output" in line


def test_help_that_cannot_be_written_is_one_line_too() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run(["-u", "-m", "benchmarks.status", "--help"], full)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1


def test_output_that_is_closed_is_one_line_before_any_work() -> None:
    ended = run(["-c", WRITES, "plain"], None, preexec_fn=lambda: os.close(1))
    assert ended.returncode == 1
    assert ended.stderr == (
        "the.command: standard output is closed: give it a file, or /dev/null\n"
    )


def test_errors_that_are_closed_do_not_matter() -> None:
    ended = run(["-c", WRITES, "plain"], subprocess.PIPE, preexec_fn=lambda: os.close(2))
    assert (ended.returncode, ended.stdout) == (0, "a line\n")


def test_what_the_outputs_encoding_lacks_is_escaped() -> None:
    code = WRITES.replace("a line", "\\u2026 \\udc80")
    ended = run(["-c", code, "plain"], subprocess.PIPE, env={**os.environ, "PYTHONUTF8": "0",
                "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "\\u2026 \\udc80\n")


def test_a_pipe_of_the_commands_own_that_breaks_keeps_its_traceback() -> None:
    code = WRITES.replace('print("a line")', "raise BrokenPipeError('a worker is gone')")
    ended = run(["-c", code, "plain"], subprocess.DEVNULL)
    assert ended.returncode == 1
    assert "a worker is gone" in ended.stderr


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system does not know."""

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "DOMINO_CACHE", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_home_nothing_is_remembered_between_commands(nobody: None) -> None:
    assert SandboxConfig().golds is None


def test_a_process_of_an_unknown_user_gets_a_home_of_its_own(
    nobody: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.environ", dict(os.environ))
    prepare_process()
    assert Path(os.environ["HOME"]).parent == tmp_path
    assert Path(os.environ["HOME"]).stat().st_mode & 0o777 == 0o700
    assert os.environ["USER"] == f"user-{os.getuid()}"


def test_where_the_home_cannot_be_written_figures_need_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.environ", {**os.environ, "HOME": str(tmp_path / "nowhere")})
    os.environ.pop("MPLCONFIGDIR", None)
    prepare_process()
    assert os.environ["HOME"] == str(tmp_path / "nowhere")
    assert Path(os.environ["MPLCONFIGDIR"]).parent == tmp_path


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_off_linux_one_line_says_where_programs_are_judged(
    platform: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(SandboxConfig(allow_unsandboxed=allowed))
    monkeypatch.setattr("sys.platform", platform)
    with pytest.raises(NoSandboxError) as caught:
        worker.__enter__()
    assert f"on Linux alone, and this is {platform}" in str(caught.value)
    assert "container" in str(caught.value)
    assert "WSL 2" in str(caught.value)


OFF_LINUX = """
import os, select, signal, sys
import psutil, filelock
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for owner, name in ((os, "sched_getaffinity"), (signal, "SIGXCPU"), (select, "poll")):
    delattr(owner, name)
sys.platform = "darwin"
from benchmarks.run import main
sys.exit(main(["--help"]))
"""


def test_help_is_there_off_linux() -> None:
    ended = run(["-c", OFF_LINUX], subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "usage: python -m benchmarks.run" in ended.stdout
