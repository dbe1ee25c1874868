"""One writer for each stage directory, and the seconds that its writers worked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from benchmarks.files import write_error

_CLOCK = ".seconds"
_LOCK = ".lock"


class WriteLock:
    """A lock that the operating system takes back when its process dies, however it dies.

    It also adds up the seconds for which it was held, over all processes that held it: a stage
    that was killed and continued reports the work of both.
    """

    def __init__(self, directory: Path) -> None:
        """Prepare the lock of a directory, which is made when the lock is first taken."""
        self._directory = directory
        self._descriptor: int | None = None
        self._began = 0.0
        self._before = 0.0
        self._saved = 0.0
        self._keep_seconds = True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    @property
    def holder(self) -> str:
        """Who took the lock last, for a message."""
        with contextlib.suppress(OSError):
            text = (self._directory / _LOCK).read_text(encoding="utf-8", errors="replace")
            return text or "unknown pid"
        return "unknown pid"

    @property
    def seconds(self) -> float:
        """Seconds for which the lock was held, by earlier processes too."""
        return self._before + time.monotonic() - self._began

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; without `wait`, return False where another process holds it.

        Raises:
            StoreError: the lock file cannot be made.
        """
        path = self._directory / _LOCK
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise write_error(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._take(descriptor)
        return True

    def _take(self, descriptor: int) -> None:
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # only a courtesy to whoever has to wait
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
        self._before = 0.0
        with contextlib.suppress(OSError, ValueError):
            self._before = float((self._directory / _CLOCK).read_text(encoding="utf-8"))
        self._began = self._saved = time.monotonic()
        self._keep_seconds = True

    def tick(self) -> None:
        """Keep the seconds so far, about once a second, for a process that continues."""
        if not self._keep_seconds or time.monotonic() - self._saved < 1.0:
            return
        self._saved = time.monotonic()
        with contextlib.suppress(OSError):  # the records matter; a lost second does not
            (self._directory / _CLOCK).write_text(f"{self.seconds:.3f}", encoding="utf-8")

    def forget_seconds(self) -> None:
        """Remove the kept seconds, which a manifest holds from now on."""
        self._keep_seconds = False
        (self._directory / _CLOCK).unlink(missing_ok=True)

    def release(self) -> None:
        """Give the lock back, and keep its seconds."""
        if self._descriptor is None:
            return
        self._saved = 0.0
        self.tick()
        os.close(self._descriptor)  # closing the descriptor gives the lock back
        self._descriptor = None
