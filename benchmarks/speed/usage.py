"""Processor time and memory of a command with all the processes that it starts, by sampling.

The kernel adds a process's time to its parent's only where the parent waits for it, which the
sandbox's outer processes do not. So the tree is looked at while it runs: what was there and is
gone without having been added to a parent is kept.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOOK_EVERY_S = 0.2
_WEIGH_EVERY = 5


class CommandError(RuntimeError):
    """A command that is measured failed: which, and its last words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a command took; `peak_bytes` counts a page that processes share once."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def measure(
    command: Sequence[str], *, until: Path, errors: Path, environment: Mapping[str, str]
) -> Usage:
    """Run a command until it has written a file, or has ended, and return what it took.

    What it does after that (waiting for a thread of its own, say) is not counted, and is ended.

    Args:
        command: what is run.
        until: the file that it writes last.
        errors: file for its standard error.
        environment: complete environment of the command.

    Raises:
        CommandError: it ended without writing the file.
    """
    with errors.open("wb") as stream:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=stream
        )
        tree = _Tree(psutil.Process(process.pid))
        while process.poll() is None and not until.exists():
            tree.look()
            time.sleep(_LOOK_EVERY_S)
        wall_s = time.monotonic() - began
        tree.look()
        tree.end()
        process.wait()
    if not until.exists():
        last = (errors.read_text(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise CommandError(f"{' '.join(command[:3])} failed: {last[:300]}")
    return Usage(wall_s=wall_s, cpu_s=tree.cpu_s, peak_bytes=tree.peak_bytes)


class _Tree:
    """A process with its descendants, looked at from time to time."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._before = 0.0
        self._lost = 0.0
        self._looks = 0
        self.peak_bytes = 0

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all processes, up to the last look."""
        return self._before + self._lost

    def look(self) -> None:
        """Add up what the processes have used, and now and then what they hold."""
        processes = self._processes()
        seconds = sum(map(_cpu_s, processes))
        self._lost += max(0.0, self._before - seconds)
        self._before = seconds
        if self._looks % _WEIGH_EVERY == 0:
            self.peak_bytes = max(self.peak_bytes, sum(map(_own_bytes, processes)))
        self._looks += 1

    def end(self) -> None:
        """End all processes."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _own_bytes(process: psutil.Process) -> int:
    try:
        rows = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
