"""The time that a program has: processor time, and a multiple of it on the wall.

Processor time is what counts: a machine that other work slows down takes longer over a program,
and not more of its processor. The wall's limit ends what waits instead of computing; time in which
the program stood in line for a processor is not counted, where the kernel tells how long it did.
Beside other programs a processor second can hold less than alone, as processors share caches,
memory and cores: so much of it as `BESIDE_OTHERS` is then given, and the clock tells whether it was
needed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sandbox.jobs import Job, SandboxConfig
from benchmarks.sandbox.reply import Reply

BESIDE_OTHERS = 2.0
"""Times the processor time that a program may use at most while others run.

Two threads of one core get at least about half of it each.
"""

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
        """Find the process in this machine's /proc.

        Raises:
            ClockError: it is not there.
        """
        fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text().split()
        pid = int(fields[fields.index("Pid:") + 1]) if "Pid:" in fields else 0
        if pid == 0:
            raise ClockError("/proc does not show the sandbox's processes")
        self._clock = (~pid << 3) | _PROCESS_CLOCK
        self._scheduler = Path(f"/proc/{pid}/schedstat")
        self._cpu_s = self._in_line_s = 0.0

    def cpu_s(self) -> float:
        """Return its processor seconds so far; once it has ended, those of the last time."""
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


class Clock:
    """When a program must be through with what it is doing.

    Attributes:
        late: whether it has used more processor time than the limits say.
        spent: whether it has used `room` times as much, at which it must be stopped.
    """

    def __init__(self, config: SandboxConfig, job: Job, patience: float, room: float) -> None:
        self._stretch = config.wall_factor * patience
        self._room = room
        self.late = self.spent = False
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
        self._most = self._with_room(self._total)
        self._process: ProcessClock | None = None
        self._began = time.monotonic()
        self._step, self._step_end = -1, self._with_room(self._loading)
        self._due_cpu_s = self._loading.cpu
        self._stop_at: float | None = None

    @property
    def cpu_s(self) -> float:
        """Processor seconds at which the program is stopped."""
        return self._most.cpu

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
        self._look(now.cpu)
        if step != self._step:
            self._step = step
            allowed = self._allowance(step)
            self._due_cpu_s = now.cpu + allowed.cpu
            self._step_end = now + self._with_room(allowed)
        left = min(self._most.until(now), self._step_end.until(now))
        return left if left <= 0 else max(left, _LEAST_WAIT_S)

    def ended(self, cpu_s: float) -> bool:
        """Take the processor time as the supervisor read it at the end; return `spent`."""
        self._look(cpu_s)
        return self.spent

    def allow(self, seconds: float) -> None:
        """Give what is going on that many seconds on the wall from now."""
        self._stop_at = time.monotonic() + seconds

    def _look(self, cpu_s: float) -> None:
        self.late = self.late or cpu_s >= min(self._total.cpu, self._due_cpu_s)
        self.spent = self.spent or cpu_s >= min(self._most.cpu, self._step_end.cpu)

    def _with_room(self, seconds: Seconds) -> Seconds:
        return Seconds(seconds.cpu * self._room, seconds.wall * self._room)

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
