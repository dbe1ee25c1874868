"""A lock for the writer of a stage directory, and the time that writers worked on the stage."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.common.files import write_error

_CLOCK = ".seconds"
_HOLDER = ".holder"
_LOCK = ".lock"
_ASK_EVERY_S = 0.5
_POLL_S = 0.05


class WriteLock:
    """A lock that the operating system releases when its process dies, even by SIGKILL.

    The library uses `flock`, which Linux passes on to NFS servers. On a file system without it, the
    library uses a marker file, and removes the marker of a dead process of the same machine.

    The lock also adds up wall time and processor time over all processes that held it: a stage that
    was killed and resumed reports the work of both.
    """

    def __init__(self, directory: Path) -> None:
        """Prepare the lock of a directory, which is created when the lock is first taken."""
        self._directory = directory
        self._lock = FileLock(directory / _LOCK, thread_local=False)
        self._began = self._began_cpu = 0.0
        self._before = self._before_cpu = 0.0
        self._saved = 0.0
        self._keep_seconds = True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    @property
    def holder(self) -> str:
        """The process that took the lock last, for a message."""
        with contextlib.suppress(OSError):
            text = (self._directory / _HOLDER).read_text(encoding="utf-8", errors="replace")
            return text or "unknown pid"
        return "unknown pid"

    @property
    def seconds(self) -> float:
        """Seconds for which the lock was held, including earlier processes."""
        return self._before + time.monotonic() - self._began

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of this process, its ended children, and earlier processes."""
        return self._before_cpu + _cpu_seconds() - self._began_cpu

    def acquire(self, *, wait: bool, while_waiting: Callable[[], None] = lambda: None) -> bool:
        """Take the lock; without `wait`, return False if another process holds it.

        Args:
            wait: wait until the other process releases it, or dies.
            while_waiting: called repeatedly; an exception from it ends the wait.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # Short attempts instead of one long wait, so that Ctrl-C is noticed.
            while not self._try(_ASK_EVERY_S if wait else 0):
                if not wait:
                    return False
                while_waiting()
        except OSError as error:
            raise write_error(self._directory / _LOCK, error) from error
        self._begin()
        return True

    def _try(self, timeout_s: float) -> bool:
        try:
            self._lock.acquire(timeout=timeout_s, poll_interval=_POLL_S)
        except Timeout:
            return False
        return True

    def _begin(self) -> None:
        with contextlib.suppress(OSError):  # only information for others
            text = f"pid {os.getpid()} on {platform.node()}"
            (self._directory / _HOLDER).write_text(text, encoding="utf-8")
        self._before = self._before_cpu = 0.0
        with contextlib.suppress(OSError, ValueError):
            kept = map(float, (self._directory / _CLOCK).read_text(encoding="utf-8").split())
            self._before, self._before_cpu = kept
        self._began = self._saved = time.monotonic()
        self._began_cpu = _cpu_seconds()
        self._keep_seconds = True

    def tick(self) -> None:
        """Save the time so far, about once a second, for a process that resumes the stage."""
        if not self._keep_seconds or time.monotonic() - self._saved < 1.0:
            return
        self._saved = time.monotonic()
        with contextlib.suppress(OSError):  # the records matter; a lost second does not
            (self._directory / _CLOCK).write_text(
                f"{self.seconds:.3f} {self.cpu_seconds:.3f}", encoding="utf-8"
            )

    def forget_seconds(self) -> None:
        """Remove the saved time, which is in the manifest from now on."""
        self._keep_seconds = False
        (self._directory / _CLOCK).unlink(missing_ok=True)

    def release(self) -> None:
        """Release the lock, and save the time."""
        if not self.held:
            return
        self._saved = 0.0
        self.tick()
        with contextlib.suppress(OSError):
            (self._directory / _HOLDER).unlink(missing_ok=True)
        self._lock.release()


def _cpu_seconds() -> float:
    """Return the processor seconds of this process and of its ended children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
