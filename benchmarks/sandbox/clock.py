"""Time limits of one program: processor time, and a multiple of it as wall time.

Processor time decides, because it hardly depends on what else the machine is doing. The wall-time
limit ends programs that wait instead of computing; time in which the program was runnable but had
no processor is not counted, where the kernel reports it. Under contention (shared caches, memory,
hyper-threads) the same work takes more processor seconds than alone: a program that reaches its
limit is given the slowdown that was measured meanwhile, and the result says that it needed it.
"""

from __future__ import annotations

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


class ClockError(OSError):
    """This machine does not tell how much processor time another process has used."""


class ProcessClock:
    """What a process has used of its machine, read from outside it.

    The program that runs there can neither see this nor change it.
    """

    def __init__(self, pidfd: int) -> None:
        """Find the process in this machine's /proc; one that has ended has used nothing.

        Raises:
            ClockError: /proc does not tell.
        """
        fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text().split()
        pid = int(fields[fields.index("Pid:") + 1]) if "Pid:" in fields else 0
        if pid == 0:
            raise ClockError("/proc does not show the sandbox's processes")
        # Of a process that is gone the kernel says -1, whose clock would be this process's own.
        self._clock = (~pid << 3) | _PROCESS_CLOCK if pid > 0 else None
        self._scheduler = Path(f"/proc/{pid}/schedstat")
        self._cpu_s = self._in_line_s = 0.0

    def cpu_s(self) -> float:
        """Return its processor seconds so far; once it has ended, those of the last time."""
        if self._clock is not None:
            with suppress(OSError):  # it has ended
                self._cpu_s = time.clock_gettime(self._clock)
        return self._cpu_s

    def in_line_s(self) -> float:
        """Return the seconds in which it could have run and other work did; 0 where unknown."""
        with suppress(OSError, ValueError, IndexError):  # it has ended, or the kernel does not say
            self._in_line_s = int(self._scheduler.read_text().split()[1]) / 1e9
        return self._in_line_s


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time by both clocks: used up to now, or allowed."""

    cpu: float
    wall: float

    def until(self, now: Seconds) -> float:
        """How long, on the wall, a program that computes may go on until one of both is reached."""
        return min(self.cpu - now.cpu, self.wall - now.wall)

    def __add__(self, other: Seconds) -> Seconds:
        """Add both."""
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def times(self, factor: float) -> Seconds:
        """Multiply both."""
        return Seconds(self.cpu * factor, self.wall * factor)


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
        wall_factor: float = 1.0,
        slowdown_allowance: Callable[[], float] | None = None,
    ) -> None:
        """Begin to count.

        Args:
            config: limits.
            job: what is run, and limits of its own.
            wall_factor: multiplies the wall-time limits of the config.
            slowdown_allowance: called once, when a limit is reached: the factor by which all limits
                grow, at most `contention.MAX_SLOWDOWN`. None: they do not grow.
        """
        self._stretch = config.wall_factor * wall_factor
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
        self._began = time.monotonic()
        self._step, self._step_began, self._step_allowed = -1, Seconds(0.0, 0.0), self._loading
        self._stop_at: float | None = None

    @property
    def cpu_s(self) -> float:
        """Processor seconds that no program gets more of, whatever the slowdown."""
        return self._most_cpu_s

    def watch(self, pidfd: int) -> None:
        """Read the clocks of the program's process from now on.

        Raises:
            ClockError: this machine does not tell.
        """
        self._process = ProcessClock(pidfd)

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
        return left if left <= 0 else max(left, _LEAST_WAIT_S)

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
        step_end = self._step_began + self._step_allowed.times(self._slowdown)
        return min(self._total.times(self._slowdown).until(now), step_end.until(now))

    def _now(self) -> Seconds:
        wall = time.monotonic() - self._began
        if self._process is None:
            return Seconds(0.0, wall)
        return Seconds(self._process.cpu_s(), wall - self._process.in_line_s())

    def _allowance(self, step: int) -> Seconds:
        if self._calls is None:
            return self._total
        # After the last call the program has a moment to end.
        return self._calls[step] if step < len(self._calls) else self._loading

    def _allowed(self, cpu_s: float, wall_s: float = 0.0) -> Seconds:
        return Seconds(cpu_s, self._stretch * max(cpu_s, wall_s))
