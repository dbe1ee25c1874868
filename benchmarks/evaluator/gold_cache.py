"""What canonical solutions returned, remembered between commands.

Some take minutes, and every evaluation of a data set needs most of them. A result is stored under
the hash of all that it depends on: the program, its inputs, the code that runs it, the interpreter
with its packages, the limits of memory, and the machine, because time limits come from its speed.
Programs in the sandbox cannot read it; where they run outside, nothing is kept here.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import zlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.files import StoreError, write_atomically
from benchmarks.sandbox import HashedOutput, Job, JobResult, Output, SandboxConfig
from benchmarks.sandbox.interpreter import find_interpreter
from benchmarks.store.identity import code_version
from domino.records import Outcome

_VERSION = 2
_LARGEST_BYTES = 256 << 20
_LIMITS = ("memory_mib", "processes", "file_mib")


@dataclass(frozen=True, slots=True)
class GoldMemory:
    """The results of canonical solutions in one directory, which may be deleted at any time."""

    directory: Path
    config: SandboxConfig

    def recall(self, job: Job) -> JobResult | None:
        """Return the result of a job like this one; None where it is not known, or damaged."""
        try:
            head, _, body = zlib.decompress(self._path(job).read_bytes()).partition(b"\n")
            facts = json.loads(head)
            return JobResult(
                id=job.id,
                outcome=Outcome.PASSED,
                outputs=_cut(body, facts["outputs"]),
                seconds=facts["seconds"],
                input_seconds=tuple(facts["input_seconds"]),
                input_wall_seconds=tuple(facts["input_wall_seconds"]),
                cpu_seconds=facts["cpu_seconds"],
            )
        except (OSError, zlib.error, ValueError, KeyError, TypeError):
            return None

    def keep(self, job: Job, result: JobResult) -> None:
        """Remember a result where every call returned, and it is not too large.

        A disk that is full or cannot be written costs the memory, not the evaluation.
        """
        outputs = [output.text for output in result.outputs if isinstance(output, Output)]
        size = sum(map(len, outputs))
        if result.outcome is not Outcome.PASSED or size > _LARGEST_BYTES:
            return
        facts = {
            "outputs": [
                len(output.text) if isinstance(output, Output) else output.sha256
                for output in result.outputs
                if isinstance(output, Output | HashedOutput)
            ],
            "seconds": result.seconds,
            "input_seconds": result.input_seconds,
            "input_wall_seconds": result.input_wall_seconds,
            "cpu_seconds": result.cpu_seconds,
        }
        path = self._path(job)
        data = zlib.compress(b"\n".join([json.dumps(facts).encode(), b"".join(outputs)]), level=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data, durable=False)  # damage is seen, and costs one run
        except (OSError, StoreError):
            return

    def _path(self, job: Job) -> Path:
        limits = [getattr(self.config, name) for name in _LIMITS]
        asked = [job.code, job.entry_point, job.stop_on_error, job.hash_above]
        parts = [_VERSION, *asked, limits, _machine(), _programs_see(self.config.interpreter)]
        identity = json.dumps(parts).encode()
        key = hashlib.sha256(identity + b"\n" + job.encoded_inputs().text).hexdigest()
        return self.directory / key[:2] / key


def _cut(body: bytes, kept: list[int | str]) -> tuple[Output | HashedOutput, ...]:
    outputs: list[Output | HashedOutput] = []
    start = 0
    for item in kept:
        if isinstance(item, str):
            outputs.append(HashedOutput(item))
        else:
            outputs.append(Output(body[start : start + item]))
            start += item
    if start != len(body):
        raise ValueError(f"{len(body)} bytes in place of {start}")
    return tuple(outputs)


@functools.cache
def _programs_see(interpreter: str | None) -> list[str]:
    """Return what identifies the worker's code, an interpreter and its packages."""
    found = find_interpreter(interpreter)
    packages = [path.name for folder in found.packages for path in Path(folder).glob("*.dist-info")]
    binary = Path(found.executable).resolve()
    changed = str(binary.stat().st_mtime_ns)
    return [code_version("benchmarks.sandbox"), str(binary), changed, *sorted(packages)]


@functools.cache
def _machine() -> list[str]:
    """Return what distinguishes machines of different speed, as far as it is known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = sorted({line for line in lines if line.startswith("model name")})
    return [platform.node(), platform.machine(), *models]
