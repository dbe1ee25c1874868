"""The time that a program has."""

from __future__ import annotations

import time

from benchmarks.sandbox.jobs import Job, SandboxConfig
from benchmarks.sandbox.reply import Reply


class Clock:
    """When a program must be through with what it is doing; times of `time.monotonic`."""

    def __init__(self, config: SandboxConfig, job: Job, patience: float) -> None:
        limits = job.input_limits_s
        calls_s = job.timeout_s or config.timeout_s
        calls_s = calls_s if limits is None else min(calls_s, sum(limits))
        self._load_s = config.load_timeout_s * patience
        self._call_s = None if limits is None else [limit * patience for limit in limits]
        self.total_s = self._load_s + calls_s * patience
        self._end = time.monotonic() + self.total_s
        self._step, self._step_end = -1, time.monotonic() + self._load_s

    def left_s(self, reply: Reply) -> float:
        """Seconds until the program must be stopped, given what it has answered so far."""
        step = len(reply.outputs) if reply.loaded else -1
        now = time.monotonic()
        if step != self._step:
            self._step = step
            self._step_end = now + self._allowance(step)
        return min(self._end, self._step_end) - now

    def _allowance(self, step: int) -> float:
        if self._call_s is None:
            return self.total_s
        # After the last call the program has a moment to end.
        return self._call_s[step] if step < len(self._call_s) else self._load_s

    def allow(self, seconds: float) -> None:
        """Give what is going on that many seconds from now."""
        self._end = self._step_end = time.monotonic() + seconds
