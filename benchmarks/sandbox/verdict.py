"""The outcome of a job from its reply and its end."""

from __future__ import annotations

from benchmarks.sandbox.jobs import JobResult
from benchmarks.sandbox.reply import Reply
from domino.records import Outcome


def judge(job_id: str, reply: Reply, stopped: str | None, code: int, seconds: float) -> JobResult:
    """Return a job's result; `stopped` and `code` are how the program's process ended."""
    outcome, detail = _outcome(reply, stopped, code)
    return JobResult(
        id=job_id,
        outcome=outcome,
        outputs=tuple(reply.outputs),
        detail=detail,
        seconds=seconds,
        input_seconds=tuple(cpu for cpu, _ in reply.seconds),
        input_wall_seconds=tuple(wall for _, wall in reply.seconds),
    )


def _outcome(reply: Reply, stopped: str | None, code: int) -> tuple[Outcome, str]:
    if reply.too_long:
        return Outcome.OUTPUT_LIMIT, "the outputs are larger than the limit"
    if reply.fault:
        return Outcome.ERROR, reply.fault
    if reply.ended or reply.fatal:
        return _answered(reply)
    if stopped in _STOPPED:
        return _STOPPED[stopped]
    if code < 0:
        return Outcome.KILLED, f"ended by signal {-code}"
    return Outcome.ERROR, f"the program ended its process (status {code}) before it answered"


def _answered(reply: Reply) -> tuple[Outcome, str]:
    error = reply.error
    if error is None:
        return Outcome.PASSED, ""
    memory = error.type_name == "MemoryError"
    return (Outcome.OUT_OF_MEMORY if memory else Outcome.ERROR), str(error)


_STOPPED = {
    "timeout": (Outcome.TIMEOUT, "no answer within the time limit"),
    "processor": (Outcome.TIMEOUT, "it used up its processor time"),
    "memory": (Outcome.OUT_OF_MEMORY, "its processes together held more than the memory limit"),
    "processes": (Outcome.KILLED, "it started more processes than the limit"),
    "threads": (Outcome.KILLED, "it started more threads than the limit"),
    "stop_early": (Outcome.KILLED, "stopped, since its outputs were enough"),
    "supervisor": (Outcome.KILLED, "the program ended its own supervisor"),
}
