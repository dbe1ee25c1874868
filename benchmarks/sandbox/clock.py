"""Time limits of one program: processor time, and a multiple of it as wall time.

Processor time decides, because it hardly depends on what else the machine is doing. The wall-time
limit ends programs that wait instead of computing; time in which the program was runnable but had
no processor is not counted, where the kernel reports it, so that what waits too long would do so
alone as well. All threads and children count. Under contention (shared caches, memory,
hyper-threads) the same work takes more processor seconds than alone: a program that reaches its
limit is given the slowdown that was measured meanwhile, and the result says that it needed it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sandbox import contention
from benchmarks.sandbox.jobs import Job, SandboxConfig
from benchmarks.sandbox.reply import Reply

# How the kernel names the clock of all threads of a process (CPUCLOCK_SCHED in its sources).
_PROCESS_CLOCK = 2
# Programs that share their processor are not asked more often than this.
_LEAST_WAIT_S = 0.005
# A program may start threads or children at any time: it is looked at this often.
_MOST_WAIT_S = 0.1


class ClockError(OSError):
    """The processor time of another process cannot be read on this machine."""


class ProcessClock:
    """What a program's processes have used of their machine, read from outside them.

    The program that runs there can neither see this nor change it.
    """

    def __init__(self, pidfd: int, *, children: bool = False) -> None:
        """Find the process in this machine's /proc; one that has ended has used nothing.

        Args:
            pidfd: the program's first process.
            children: whether it may have others below it, which count too.

        Raises:
            ClockError: /proc cannot be read.
        """
        fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text().split()
        pid = int(fields[fields.index("Pid:") + 1]) if "Pid:" in fields else 0
        if pid == 0:
            raise ClockError("/proc does not show the sandbox's processes")
        # Of a process that is gone the kernel says -1, whose clock would be this process's own.
        self._first = pid if pid > 0 else None
        self._children = children
        self._cpu_s: dict[int, float] = {}
        self._in_line_s: dict[int, float] = {}
        self._most_cpu_s = 0.0
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._processors = len(os.sched_getaffinity(0))
        self.threads = 0

    def look(self) -> tuple[float, float]:
        """Return their processor seconds so far, and those in which other work kept them waiting.

        Of what has ended it is what was seen last. `threads` is how many they are now.
        """
        reaped_s, self.threads = 0.0, 0
        pids = self._tree()
        for pid in pids:
            with suppress(OSError, ValueError, IndexError):  # it has ended, or nothing is known
                self._cpu_s[pid] = time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
                self._in_line_s[pid] = int(_read(f"/proc/{pid}/schedstat").split()[1]) / 1e9
            with suppress(OSError, ValueError, IndexError):
                fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
                reaped_s += (int(fields[13]) + int(fields[14])) / self._ticks
                self.threads += int(fields[17])
        # A process that ended is in its parent's sum, unless the parent did not ask about it.
        living_s = sum(self._cpu_s.get(pid, 0.0) for pid in pids) + reaped_s
        self._most_cpu_s = max(self._most_cpu_s, living_s, sum(self._cpu_s.values()))
        return self._most_cpu_s, sum(self._in_line_s.values())

    @property
    def at_once(self) -> int:
        """How many processors they may compute on at the same time."""
        return max(1, min(self.threads, self._processors))

    def _tree(self) -> list[int]:
        pids = [] if self._first is None else [self._first]
        for pid in pids if self._children else ():
            with suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - asked often
                    pids += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
        return pids


def _read(path: str) -> bytes:
    """Read a file of /proc, at a fifth of what `Path.read_bytes` takes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time by both clocks: used up to now, or allowed."""

    cpu: float
    wall: float

    def until(self, now: Seconds, at_once: int) -> float:
        """How long, on the wall, a program may go on until one of both is reached.

        `at_once` is how many processors it may compute on.
        """
        return min((self.cpu - now.cpu) / at_once, self.wall - now.wall)

    def __add__(self, other: Seconds) -> Seconds:
        """Add both."""
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def slowed(self, factor: float) -> Seconds:
        """Multiply the processor time; wall time grows only as far as computing needs it."""
        return Seconds(self.cpu * factor, max(self.wall, self.cpu * factor))


class Clock:
    """When a program must be through with what it is doing.

    Attributes:
        over_limit: whether it has used more processor time than the limits say.
        exhausted: whether it has used the slowdown allowance as well, and must be stopped.
    """

    def __init__(
        self,
        config: SandboxConfig,
        job: Job,
        slowdown_allowance: Callable[[], float] | None = None,
    ) -> None:
        """Begin to count.

        Args:
            config: limits.
            job: what is run, and limits of its own.
            slowdown_allowance: called once, when a limit is reached: the factor by which all limits
                grow, at most `contention.MAX_SLOWDOWN`. None: they do not grow.
        """
        self._stretch = config.wall_factor
        self._measure_slowdown = slowdown_allowance
        self._slowdown = 1.0
        self.over_limit = self.exhausted = False
        whole_s = job.timeout_s or config.timeout_s
        limits = job.input_limits_s
        waits = limits if job.wall_limits_s is None else job.wall_limits_s
        self._loading = self._allowed(config.load_timeout_s)
        self._calls: list[Seconds] | None = None
        calls = self._allowed(whole_s)
        if limits is not None and waits is not None:
            self._calls = list(map(self._allowed, limits, waits))
            calls = Seconds(min(whole_s, sum(limits)), self._stretch * min(whole_s, sum(waits)))
        self._total = self._loading + calls
        self._most_cpu_s = self._total.cpu * (
            1.0 if slowdown_allowance is None else contention.MAX_SLOWDOWN
        )
        self._process: ProcessClock | None = None
        self._children = job.forks or config.processes > 1
        self._began = time.monotonic()
        self._step, self._step_began, self._step_allowed = -1, Seconds(0.0, 0.0), self._loading
        self._stop_at: float | None = None
        self._in_line_known = False

    @property
    def cpu_s(self) -> float:
        """Processor seconds that no program gets more of, whatever the slowdown."""
        return self._most_cpu_s

    def watch(self, pidfd: int) -> None:
        """Read the clocks of the program's processes from now on.

        Raises:
            ClockError: processor time cannot be read on this machine.
        """
        self._process = ProcessClock(pidfd, children=self._children)

    def left_s(self, reply: Reply) -> float:
        """Seconds to wait until the program may have to be stopped; 0 or less: it must be.

        It depends on what the program has answered so far.
        """
        if self._stop_at is not None:
            return self._stop_at - time.monotonic()
        step = len(reply.outputs) if reply.loaded else -1
        now = self._now()
        moved = step != self._step
        self._look(now.cpu, moved=moved)
        if moved:
            self._step, self._step_began, self._step_allowed = step, now, self._allowance(step)
        if self._left(now) <= 0:
            self._allow_slowdown()
            now = self._now()
        left = self._left(now)
        if left > 0:
            return min(max(left, _LEAST_WAIT_S), _MOST_WAIT_S)
        # What waited for others is not in its time: alone it would have waited as long.
        self.exhausted = self.exhausted or self._in_line_known
        return left

    def ended(self, cpu_s: float) -> bool:
        """Take the processor time as the supervisor read it at the end; return `exhausted`."""
        self._look(cpu_s)
        return self.exhausted

    def allow(self, seconds: float) -> None:
        """Give what is going on that many seconds on the wall from now."""
        self._stop_at = time.monotonic() + seconds

    def _look(self, cpu_s: float, *, moved: bool = False) -> None:
        if cpu_s >= self._cpu_limit(1.0):
            self.over_limit = True
            self._allow_slowdown()
            # The last look was during an earlier call: how much of the time since then belongs to
            # the present call is unknown, so only the total limit can be exhausted.
            limit = self._total.cpu * self._slowdown if moved else self._cpu_limit(self._slowdown)
            self.exhausted = self.exhausted or cpu_s >= limit

    def _allow_slowdown(self) -> None:
        if self._measure_slowdown is not None:
            self._slowdown = self._measure_slowdown()
            self._measure_slowdown = None

    def _cpu_limit(self, slowdown: float) -> float:
        step_end = self._step_began.cpu + self._step_allowed.cpu * slowdown
        return min(self._total.cpu * slowdown, step_end)

    def _left(self, now: Seconds) -> float:
        step_end = self._step_began + self._step_allowed.slowed(self._slowdown)
        at_once = 1 if self._process is None else self._process.at_once
        total = self._total.slowed(self._slowdown)
        return min(total.until(now, at_once), step_end.until(now, at_once))

    def _now(self) -> Seconds:
        wall_s = time.monotonic() - self._began
        if self._process is None:
            return Seconds(0.0, wall_s)
        cpu_s, in_line_s = self._process.look()
        self._in_line_known = in_line_s > 0
        return Seconds(cpu_s, wall_s - in_line_s)

    def _allowance(self, step: int) -> Seconds:
        if self._calls is None:
            return self._total
        # After the last call the program has a moment to end.
        return self._calls[step] if step < len(self._calls) else self._loading

    def _allowed(self, cpu_s: float, wall_s: float = 0.0) -> Seconds:
        return Seconds(cpu_s, self._stretch * max(cpu_s, wall_s))
