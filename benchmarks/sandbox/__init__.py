"""Runs untrusted programs: they see inputs only, and their outputs come back as data."""

from benchmarks.sandbox.host import NoSandboxError, SandboxError, UnsandboxedWarning
from benchmarks.sandbox.jobs import (
    AnyOutput,
    EncodedInputs,
    ErrorMarker,
    HashedOutput,
    Job,
    JobResult,
    Output,
    SandboxConfig,
    SandboxConfigError,
)
from benchmarks.sandbox.pool import WorkerPool, run_jobs

__all__ = [
    "AnyOutput",
    "EncodedInputs",
    "ErrorMarker",
    "HashedOutput",
    "Job",
    "JobResult",
    "NoSandboxError",
    "Output",
    "SandboxConfig",
    "SandboxConfigError",
    "SandboxError",
    "UnsandboxedWarning",
    "WorkerPool",
    "run_jobs",
]
