"""Time limits of one program: processor time, and a multiple of it as wall time.

Processor time decides, because it hardly depends on what else the machine is doing. The wall-time
limit ends programs that wait instead of computing. Time in which a program was runnable but had no
processor is not counted, if the kernel reports it, so that a program that waits too long would also
do so alone. All threads and children count. Under contention (shared caches, memory, hyper-threads)
the same work takes more processor seconds than alone: when a program reaches its limit, the limit
is extended by the measured slowdown, and the result says so.
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

# The kernel's number for the clock of all threads of a process (CPUCLOCK_SCHED in its sources).
_PROCESS_CLOCK = 2
# Programs are not measured more often than this: measuring uses the same processors.
_LEAST_WAIT_S = 0.005
# But at least this often: a program may start threads or children at any time.
_MOST_WAIT_S = 0.1


class ClockError(OSError):
    """The processor time of another process cannot be read on this machine."""


class ProcessClock:
    """The processor time of a program's processes, read from outside the sandbox.

    The program can neither see nor change it.
    """

    def __init__(self, pidfd: int, *, children: bool = False) -> None:
        """Find the process in this machine's /proc; for one that has ended, the time is 0.

        Args:
            pidfd: the program's first process.
            children: whether it may have child processes, which count too.

        Raises:
            ClockError: /proc cannot be read.
        """
        fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text().split()
        pid = int(fields[fields.index("Pid:") + 1]) if "Pid:" in fields else 0
        if pid == 0:
            raise ClockError("/proc does not show the sandbox's processes")
        # The kernel reports pid -1 for an ended process; that clock would be this process's own.
        self._first = pid if pid > 0 else None
        self._children = children
        self._cpu_s: dict[int, float] = {}
        self._in_line_s: dict[int, float] = {}
        self._most_cpu_s = 0.0
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._processors = len(os.sched_getaffinity(0))
        self.threads = 0

    def look(self) -> tuple[float, float]:
        """Return the processor seconds so far, and the seconds of waiting for a processor.

        Ended processes count with their last known values. Updates `threads`, their number now.
        """
        reaped_s, self.threads = 0.0, 0
        pids = self._tree()
        for pid in pids:
            with suppress(OSError, ValueError, IndexError):  # it has ended
                self._cpu_s[pid] = time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
                self._in_line_s[pid] = int(_read(f"/proc/{pid}/schedstat").split()[1]) / 1e9
            with suppress(OSError, ValueError, IndexError):
                fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
                reaped_s += (int(fields[13]) + int(fields[14])) / self._ticks
                self.threads += int(fields[17])
        # The kernel adds the time of an ended process to its parent only when the parent waits for
        # it. So take the larger of both sums: a parent that does not wait must not hide time, and a
        # process must not count twice.
        living_s = sum(self._cpu_s.get(pid, 0.0) for pid in pids) + reaped_s
        self._most_cpu_s = max(self._most_cpu_s, living_s, sum(self._cpu_s.values()))
        return self._most_cpu_s, sum(self._in_line_s.values())

    @property
    def at_once(self) -> int:
        """Maximum number of processors that they can use at the same time."""
        return max(1, min(self.threads, self._processors))

    def _tree(self) -> list[int]:
        pids = [] if self._first is None else [self._first]
        for pid in pids if self._children else ():
            with suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - asked often
                    pids += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
        return pids


def _read(path: str) -> bytes:
    """Read a file of /proc; five times as fast as `Path.read_bytes`, and called often."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Processor time and wall time: used so far, or allowed."""

    cpu: float
    wall: float

    def until(self, now: Seconds, at_once: int) -> float:
        """Return the wall time until a program can reach one of both limits.

        `at_once` is the number of processors that it can use at the same time.
        """
        return min((self.cpu - now.cpu) / at_once, self.wall - now.wall)

    def __add__(self, other: Seconds) -> Seconds:
        """Add both."""
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def slowed(self, factor: float) -> Seconds:
        """Multiply the processor time; the wall time grows only if computing needs it."""
        return Seconds(self.cpu * factor, max(self.wall, self.cpu * factor))


class Clock:
    """The time limits of a running program.

    Attributes:
        over_limit: whether it has exceeded its own limits, and so may have to be rerun alone.
        exhausted: whether it has exceeded the extended limits too, and must be stopped.
    """

    def __init__(
        self,
        config: SandboxConfig,
        job: Job,
        slowdown_allowance: Callable[[], float] | None = None,
    ) -> None:
        """Start the clock.

        Args:
            config: limits.
            job: the program, and its own limits.
            slowdown_allowance: called once, when a limit is reached; returns the factor by which
                all limits are extended, at most `contention.MAX_SLOWDOWN`. None: no extension.
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
        """Maximum processor seconds of the program, whatever the slowdown."""
        return self._most_cpu_s

    def watch(self, pidfd: int) -> None:
        """Read the clocks of the program's processes from now on.

        Raises:
            ClockError: processor time cannot be read on this machine.
        """
        self._process = ProcessClock(pidfd, children=self._children)

    def left_s(self, reply: Reply) -> float:
        """Return how long to wait before the next look; 0 or less: the program must be stopped.

        The limit depends on the calls that the program has answered so far.
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
        # Waiting for a processor is not in its time, so alone it would have taken as long. If the
        # kernel does not report that waiting, only a rerun alone can decide.
        self.exhausted = self.exhausted or self._in_line_known
        return left

    def ended(self, cpu_s: float) -> bool:
        """Check the final processor time, read by the supervisor; return `exhausted`."""
        self._look(cpu_s)
        return self.exhausted

    def allow(self, seconds: float) -> None:
        """Set the limit to that many seconds of wall time from now."""
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
        # After the last call the program gets time to end.
        return self._calls[step] if step < len(self._calls) else self._loading

    def _allowed(self, cpu_s: float, wall_s: float = 0.0) -> Seconds:
        return Seconds(cpu_s, self._stretch * max(cpu_s, wall_s))
