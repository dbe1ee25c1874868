"""What goes into the sandbox and what comes out of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.cache import cache_directory
from benchmarks.common.process import cores
from benchmarks.sandbox.worker import codec
from domino.records import Outcome


class SandboxConfigError(ValueError):
    """A sandbox setting that cannot be used: says which, the value, and what to give."""


def _default_golds() -> Path | None:
    cache = cache_directory()
    return cache and cache / "golds"


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxConfig:
    """Limits of one program, and how programs run.

    Attributes:
        timeout_s: processor seconds of one program over all its inputs (or `timeout_factor` times
            the canonical solution's, if more).
        input_timeout_s: minimum limit in processor seconds of one call.
        timeout_factor: limit of a call as a multiple of the canonical solution's time, if this is
            known and gives more than `input_timeout_s`.
        load_timeout_s: processor seconds until the program is loaded, imports included.
        wall_factor: limit in wall time as a multiple of these limits, not counting time in which
            other work used the processor; it ends programs that wait instead of computing.
        memory_mib: memory of one process, and of all processes of a program together.
        processes: maximum number of processes of a program; 1 forbids it to start others.
        file_mib: size of one file, and of the private /tmp.
        output_mib: size of all serialized outputs (or twice the canonical solution's, if more).
        workers: programs that run at the same time.
        interpreter: Python 3.11 or newer that runs the programs, with the packages that they may
            import; null is the Python of the evaluator.
        bubblewrap: the bwrap command.
        allow_unsandboxed: run programs without bubblewrap, with resource limits only, if it is
            missing or does not work; they then have all permissions of the user.
        golds: directory that caches outputs of canonical solutions between commands; null caches
            none.
    """

    timeout_s: float = 60.0
    input_timeout_s: float = 1.0
    timeout_factor: float = 4.0
    load_timeout_s: float = 10.0
    wall_factor: float = 2.0
    memory_mib: int = 2048
    processes: int = 1
    file_mib: int = 16
    output_mib: int = 32
    workers: int = field(default_factory=cores, metadata={"changes_result": False})
    interpreter: str | None = None
    bubblewrap: str = field(default="bwrap", metadata={"changes_result": False})
    allow_unsandboxed: bool = field(default=False, metadata={"changes_result": False})
    golds: Path | None = field(default_factory=_default_golds, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse limits that nothing can run under."""
        for name in ("timeout_s", "input_timeout_s", "timeout_factor", "load_timeout_s"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise SandboxConfigError(f"{name} is {value}: give a finite number above 0")
        if not (self.wall_factor >= 1 and math.isfinite(self.wall_factor)):
            raise SandboxConfigError(f"wall_factor is {self.wall_factor}: give at least 1")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SandboxConfigError(f"{name} is {getattr(self, name)}: give at least {least}")

    def input_limits_s(self, canonical_s: Sequence[float]) -> tuple[float, ...]:
        """Return the limits of calls from the seconds that the canonical solution took for each."""
        return tuple(
            max(self.input_timeout_s, self.timeout_factor * seconds) for seconds in canonical_s
        )


_LEAST = {"memory_mib": 64, "processes": 1, "file_mib": 1, "output_mib": 1, "workers": 1}


@dataclass(frozen=True, slots=True)
class EncodedInputs:
    """Argument lists as the worker reads them: made once for many programs on one problem.

    `sizes` are the bytes of each, one after the other in `text`.
    """

    text: bytes
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, inputs: Sequence[Any]) -> EncodedInputs:
        """Encode a sequence of argument lists."""
        parts = [json.dumps(codec.encode(list(item))).encode() for item in inputs]
        return cls(b"".join(parts), tuple(map(len, parts)))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sizes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One program to run on a sequence of argument lists.

    Attributes:
        id: of the job, repeated in its result.
        code: complete source text of the program.
        entry_point: the function that is called.
        inputs: one argument list per call; each call gets a new copy.
        input_limits_s: processor seconds for each call; None gives every call the full limit.
        wall_limits_s: seconds of each call that the config's `wall_factor` multiplies, where they
            are more than `input_limits_s`: for calls that wait.
        timeout_s: processor seconds for all calls together; default: the config's.
        forks: whether `code` is trusted, and runs the program in child processes.
        stop_on_error: whether an exception in one call ends the program.
        output_bytes: size of all serialized outputs; default: `output_mib`.
        hash_above: bytes above which an output is sent as a hash; None sends complete outputs.
    """

    id: str
    code: str
    entry_point: str
    inputs: Sequence[Any] | EncodedInputs
    input_limits_s: Sequence[float] | None = None
    wall_limits_s: Sequence[float] | None = None
    timeout_s: float | None = None
    forks: bool = False
    stop_on_error: bool = True
    output_bytes: int | None = None
    hash_above: int | None = None

    def encoded_inputs(self) -> EncodedInputs:
        """Return the inputs as the worker reads them."""
        if isinstance(self.inputs, EncodedInputs):
            return self.inputs
        return EncodedInputs.of(self.inputs)


@dataclass(frozen=True, slots=True)
class Output:
    """A claimed return value, as the text that came: `tagged` reads it."""

    text: bytes

    @property
    def tagged(self) -> Any:
        """The value as tagged JSON, which `decoder.decode` turns into a value.

        Raises:
            ValueError: the program sent something else.
        """
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class HashedOutput:
    """A claimed return value above the job's `hash_above`, as the worker's `codec.hash_of` has it.

    Equal ones stand for equal values of equal types; of two that differ, the values may be equal.
    """

    sha256: str


@dataclass(frozen=True, slots=True)
class ErrorMarker:
    """An exception in place of an output: its type and the last line of its message."""

    type_name: str
    message: str

    def __str__(self) -> str:
        """Return both as Python prints them."""
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


AnyOutput = Output | HashedOutput | ErrorMarker
"""What came of one call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """What running a job showed; the outputs are claims of the program, to be compared.

    Attributes:
        id: the job's.
        outcome: PASSED where every call returned a value; it says nothing about the values.
        outputs: a value, complete or hashed, or an error for each call that ended.
        detail: why the outcome is not PASSED.
        seconds: wall time of the program.
        input_seconds: the program's own measure of each call, processor time.
        input_wall_seconds: the same on the wall.
        cpu_seconds: processor time that the program got.
        needs_rerun: whether it exceeded a limit by no more than contention may have cost: only a
            run alone can decide.
    """

    id: str
    outcome: Outcome
    outputs: tuple[AnyOutput, ...] = ()
    detail: str = ""
    seconds: float = 0.0
    input_seconds: tuple[float, ...] = ()
    input_wall_seconds: tuple[float, ...] = ()
    cpu_seconds: float = 0.0
    needs_rerun: bool = False
