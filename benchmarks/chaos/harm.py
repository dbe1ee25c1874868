"""The faults injected into a run: a kill of its process group, a truncated file, a full disk."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.store.store import MANIFEST

_SPARE_BYTES = 8 * 2**20
_POLL_S = 0.05
_TORN_BYTES = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How one attempt ended.

    Attributes:
        code: the exit code; None where it was killed.
        text: what it printed.
    """

    code: int | None
    text: str


def attempt(
    command: Sequence[str],
    *,
    lifetime_s: float | None = None,
    ripe: Callable[[], bool] = lambda: True,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run a command in a process group of its own, and kill the group when its time is over.

    Args:
        command: program and arguments.
        lifetime_s: seconds until SIGKILL; None lets it end by itself.
        ripe: whether this is an instant for the kill, which waits for one once its time has come.
        before: runs in the child before the program.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, preexec_fn=before,
    ) as child:  # fmt: skip
        try:
            while True:
                try:
                    text, _ = child.communicate(timeout=lifetime_s)
                    return Ended(code=child.returncode, text=text)
                except subprocess.TimeoutExpired:
                    if _killed(child.pid, ripe):
                        text, _ = child.communicate()
                        return Ended(code=None, text=text)
                    lifetime_s = _POLL_S
        except BaseException:  # Ctrl-C must not leave a run behind
            os.killpg(child.pid, signal.SIGKILL)
            raise


def _killed(group: int, ripe: Callable[[], bool]) -> bool:
    """Kill a process group where the instant is ripe, and still is once the group stands still."""
    if not ripe():
        return False
    os.killpg(group, signal.SIGSTOP)
    now = ripe()
    os.killpg(group, signal.SIGKILL if now else signal.SIGCONT)
    return now


def tearable(root: Path) -> list[Path]:
    """Return the record files, none of them empty, of all unfinished stages of a store."""
    return [
        path
        for path in sorted(root.glob("stages/*/*.jsonl"))
        if _size(path) and not (path.parent / MANIFEST).exists()
    ]


def _size(path: Path) -> int:
    """Return a file's bytes; 0 where the run has removed it since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def tear_tail(root: Path, chance: random.Random) -> str | None:
    """Damage the end of a record file of an unfinished stage as a crash of the machine would.

    Bytes at the end are lost, and sometimes there are zeros or a part of a line in their place.

    Returns:
        What was done; None where there is no such file.
    """
    files = tearable(root)
    if not files:
        return None
    path = chance.choice(files)
    junk = chance.choice([b"", b"\0" * chance.randint(1, 64), b'{"id": "torn'])
    lost = chance.randint(0 if junk else 1, min(_TORN_BYTES, path.stat().st_size))
    os.truncate(path, path.stat().st_size - lost)
    with path.open("ab") as file:
        file.write(junk)
    return f"{path.parent.name}/{path.name}: {lost} bytes lost, {len(junk)} of junk"


class Disk(Protocol):
    """Where a run's store lies, and how its disk fills up."""

    name: str

    def fill(self, chance: random.Random) -> Callable[[], None] | None:
        """Leave little space; return what the run must do before it starts."""

    def empty(self) -> None:
        """Give the space back."""


class SmallDisk:
    """A tmpfs of its own below the store, filled by a file: the kernel's own ENOSPC."""

    name = "tmpfs"

    def __init__(self, root: Path, needed_bytes: int) -> None:
        self._filler = root / "filler"
        self._needed = needed_bytes
        self._root = root

    def fill(self, chance: random.Random) -> None:
        """Leave less than what the run has still to write."""
        disk = shutil.disk_usage(self._root)
        leave = chance.randint(0, max(0, self._needed - disk.used))
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, disk.free - leave))

    def empty(self) -> None:
        """Remove the filler."""
        self._filler.unlink(missing_ok=True)


class LimitedFiles:
    """A limit on the size of each file, where no file system may be mounted: EFBIG."""

    name = "RLIMIT_FSIZE"

    def __init__(self, largest_bytes: int) -> None:
        self._largest = largest_bytes

    def fill(self, chance: random.Random) -> Callable[[], None]:
        """Return what sets a limit below the largest file that a run writes."""
        limit = chance.randint(512, max(513, self._largest // 2))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def empty(self) -> None:
        """Nothing to do: the limit went with its process."""


@contextlib.contextmanager
def disk_at(root: Path, like: Path, *, mount: bool) -> Iterator[Disk]:
    """Make the directory of a store, on a small file system of its own where that is permitted.

    Args:
        root: the new directory.
        like: a finished store, whose size is the space that a run needs.
        mount: whether to try.
    """
    sizes = [path.stat().st_size for path in like.rglob("*") if path.is_file()] or [0]
    root.mkdir(parents=True)
    size = 2 * sum(sizes) + _SPARE_BYTES
    if not mount or not _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)):
        yield LimitedFiles(max(sizes))
        return
    try:
        yield SmallDisk(root, sum(sizes))
    finally:
        _run("umount", "--lazy", str(root))


def _run(*command: str) -> bool:
    """Whether a command that may be missing or forbidden did its work."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
