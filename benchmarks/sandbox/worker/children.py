"""Runs each test of a program in a process of its own.

The process that forks it never runs what the program says: whatever a test keeps, changes, leaves
in a file or breaks ends with it.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

REPLY_FD = 3
MESSAGE_CHARACTERS = 300
_CHUNK = 1 << 16
_REQUEST_FD = 4
_REQUEST_BYTES = 1 << 30
_STARTING: Mapping[str, tuple[str, ...]] = {
    "os": ("fork", "forkpty", "posix_spawn", "posix_spawnp"),
    "_posixsubprocess": ("fork_exec",),
}


class OutputLimit(Exception):
    """A test printed or returned more than the limit."""


class TestFailure(Exception):
    """What ended a test: the type's name and the message, as the test's own process has them."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(type_name, message)
        self.pair = [type_name[:100], message[:MESSAGE_CHARACTERS]]


@dataclass(frozen=True, slots=True)
class Said:
    """A reply line of a test: its word and content, which the host reads as it reads any."""

    word: str
    content: str


def describe(error: BaseException) -> str:
    """Return an exception's type and its message's last line as a JSON pair."""
    if type(error) is TestFailure:
        return json.dumps(error.pair)
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines() or [""]
        return json.dumps([name, lines[-1][:MESSAGE_CHARACTERS]])
    except BaseException:  # noqa: BLE001 - an exception's own __str__ may raise anything
        return json.dumps([name, ""])


def write_source(path: str, code: str) -> None:
    """Put a program's text where its `__file__` says that it is."""
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123
        file.write(code)


class Children:
    """Forks the processes of tests, one after the other, from one that has no rights either."""

    def __init__(self, limit_bytes: int, *, processes: bool, alone: bool) -> None:
        """Open the files that stand for standard input and output.

        Args:
            limit_bytes: how much a test may print or return.
            processes: whether a test may start others.
            alone: whether this is the first process of a namespace, where all others are a test's.
        """
        self._limit = limit_bytes
        self._processes = processes
        self._alone = alone
        self.at_last = False
        """Whether this process has nothing to do after the next test."""
        self._streams = [os.memfd_create(name) for name in ("stdin", "stdout")]

    def run(self, task: Callable[[], str], stdin: str | None = None) -> Said:
        """Run `task` in a process of its own, and return the reply line that it makes.

        Without a standard input what it prints is lost.

        Raises:
            TestFailure: it raised, was ended by a signal, or left with a status.
            OutputLimit: it said more than the limit.
        """
        streams = [] if stdin is None else self._fill(stdin)
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become(task, theirs, streams)
        os.close(theirs)
        try:
            said = self._read(mine)
        finally:
            os.close(mine)
            status = self._end(pid)
        word, _, content = said.partition(b"\n")[0].decode(errors="replace").partition(" ")
        if word == "!":
            raise _failure(content)
        if status < 0:
            raise TestFailure("Killed", f"ended by signal {-status}")
        if status > 0:
            raise TestFailure("SystemExit", f"the program ended its process (status {status})")
        return Said(word, content)

    def run_last(self, task: Callable[[], str]) -> Said:
        """Run `task` in this process, once it is the last thing that it does.

        A fork costs as much as a small program. This process has run nothing of the program before,
        and its earlier replies are sent.
        """
        os.closerange(REPLY_FD + 1, 1 << 16)
        if not self._processes:
            _forbid_processes()
        word, _, content = task().partition(" ")
        return Said(word, content)

    def printed(self) -> str:
        """Return what the last test wrote to its standard output.

        Raises:
            OutputLimit: more than the limit.
        """
        file = self._streams[1]
        size = os.fstat(file).st_size
        if size > self._limit:
            raise OutputLimit
        os.lseek(file, 0, os.SEEK_SET)
        parts = []
        while size > 0 and (part := os.read(file, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts).decode("utf-8", errors="replace")

    def serve(self, answer: Callable[[bytes], bytes]) -> Companion:
        """Start a process that answers requests until this one ends, and return the way to it."""
        (their_requests, requests), (answers, their_answers) = os.pipe(), os.pipe()

        def task() -> str:
            while True:
                write_framed(REPLY_FD, answer(read_framed(_REQUEST_FD, _REQUEST_BYTES)))

        if os.fork() == 0:
            self._become(task, their_answers, [], their_requests)
        os.close(their_requests)
        os.close(their_answers)
        return Companion(requests, answers, self._limit)

    def _fill(self, text: str) -> list[int]:
        for file in self._streams:
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
        data = memoryview(text.encode("utf-8", errors="surrogateescape"))
        while data:
            data = data[os.write(self._streams[0], data) :]
        os.lseek(self._streams[0], 0, os.SEEK_SET)
        return self._streams

    def _become(
        self, task: Callable[[], str], reply: int, streams: list[int], requests: int | None = None
    ) -> NoReturn:
        """Be the test: its three streams, the pipes to and from it, and no other descriptor."""
        from benchmarks.sandbox.worker import confine  # elsewhere than on Linux it does not load

        try:
            confine.die_with_parent()
            for descriptor, file in enumerate(streams):
                os.dup2(file, descriptor)
            os.dup2(reply, REPLY_FD, inheritable=False)
            if requests not in (None, _REQUEST_FD):
                os.dup2(requests, _REQUEST_FD, inheritable=False)
            os.closerange(REPLY_FD + 1 if requests is None else _REQUEST_FD + 1, 1 << 16)
            if not self._processes:
                _forbid_processes()
            line = task()
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
            line = f"! {describe(error)}"
        data = memoryview(line.encode() + b"\n")
        while data:
            data = data[os.write(REPLY_FD, data) :]
        os._exit(0)

    def _read(self, reply: int) -> bytes:
        """Return what a test says until it ends."""
        said = bytearray()
        while part := os.read(reply, _CHUNK):
            said += part
            if len(said) > self._limit:
                raise OutputLimit
        return bytes(said)

    def _end(self, pid: int) -> int:
        """Wait for a test's first process and return how it ended; end what else it left."""
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if self._alone and self._processes:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(-1, signal.SIGKILL)
                while os.waitpid(-1, 0)[0]:
                    pass
        _empty_folder()
        return status


@dataclass(frozen=True, slots=True)
class Companion:
    """A process that answers requests; nothing that it says is believed, or without a limit."""

    requests: int
    answers: int
    limit_bytes: int

    def ask(self, request: bytes) -> bytes:
        """Return its answer.

        Raises:
            TestFailure: it has ended, or its answer is above the limit.
        """
        try:
            write_framed(self.requests, request)
            return read_framed(self.answers, self.limit_bytes)
        except (BrokenPipeError, EOFError):
            raise TestFailure("Killed", "the program ended its process") from None


def write_framed(fd: int, data: bytes) -> None:
    """Write bytes behind their number."""
    left = memoryview(len(data).to_bytes(8, "big") + data)
    while left:
        left = left[os.write(fd, left) :]


def read_framed(fd: int, limit_bytes: int) -> bytes:
    """Return what `write_framed` wrote.

    Raises:
        EOFError: the other side has ended, or has written too much.
    """
    size = int.from_bytes(_read_exactly(fd, 8), "big")
    if size > limit_bytes:
        raise EOFError
    return _read_exactly(fd, size)


def _read_exactly(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(fd, min(_CHUNK, size - len(data)))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _failure(content: str) -> TestFailure:
    try:
        name, message = json.loads(content)
        return TestFailure(str(name), str(message))
    except (ValueError, TypeError, RecursionError):
        return TestFailure("ValueError", "the test's process sent a malformed error")


def _forbid_processes() -> None:
    from benchmarks.sandbox.worker import confine  # elsewhere than on Linux it does not load

    confine.forbid_processes()
    name_what_is_forbidden()


def name_what_is_forbidden() -> None:
    """Say in words what the kernel refuses anyway."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError("the sandbox forbids programs to start other processes")

    for module_name, names in _STARTING.items():
        module = importlib.import_module(module_name)
        for name in names:
            setattr(module, name, refuse)


def _empty_folder() -> None:
    """Remove what a test left in the working folder; deep folders are made flat, step by step."""
    folders = itertools.count()
    while entries := list(os.scandir()):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink()
                continue
            folder = Path(entry.path)
            folder.chmod(0o700)
            for below in list(folder.iterdir()):
                below.rename(f"moved {next(folders)}")
            folder.rmdir()
