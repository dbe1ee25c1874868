"""Fine-tuning in several processes: `accelerate launch` as a child, one process a GPU."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.stages.context import LOSSES, Log, Metrics, StageError
from benchmarks.stages.sieve import KEPT
from domino.backbone import pick_device
from domino.engines.base import EngineError

if TYPE_CHECKING:
    from domino.records import Synthetic

JOB = "job.json"
WORKER = "benchmarks.stages.finetuning.worker"
_NEED_GPUS = ("FSDP", "DEEPSPEED")  # without, accelerate replicates and says nothing
_LOOK_EVERY_S = 0.2
_ENDING_S = 20.0
_ERROR_LINE = re.compile(r"\b[\w.]*(?:Error|Exception)\b: .*")


@dataclass(frozen=True, kw_only=True, slots=True)
class AccelerateConfig:
    """Where fine-tuning runs, not what it computes: no stage's address depends on it.

    Attributes:
        processes: how many share every batch, one a GPU; null is as the file says, or one.
        config: file that `accelerate config` wrote, with FSDP's or DeepSpeed's settings; null
            replicates the backbone on every GPU.
    """

    processes: int | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a number that is none."""
        if self.processes is not None and self.processes < 1:
            raise StageError(f"accelerate.processes is {self.processes}: give at least 1")

    @property
    def launches(self) -> bool:
        """Whether processes of their own are started."""
        return self.config is not None or self.count > 1

    @property
    def count(self) -> int:
        """How many processes there are.

        Raises:
            StageError: the file cannot be read, or is not of this one machine.
        """
        if self.config is None:
            return self.processes or 1
        values = _read(self.config)
        return self.processes or int(values["num_processes"])

    def arguments(self) -> list[str]:
        """Return the options of `accelerate launch`: this recipe's, whatever the file says."""
        count = self.count
        threads = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // count)
        return [
            *(["--config_file", str(self.config)] if self.config else ["--num_machines", "1"]),
            *(["--multi_gpu"] if not self.config and count > 1 else []),  # on a CPU as well
            *("--num_processes", str(count), "--mixed_precision", _precision()),
            *("--dynamo_backend", "no", "--main_process_port", "0"),
            *("--num_cpu_threads_per_process", str(threads)),
        ]


def check_accelerate(config: AccelerateConfig) -> None:
    """Refuse a file that accelerate cannot be started with, and more processes than GPUs.

    Raises:
        StageError: as said.
    """
    count = config.count
    if not config.launches:
        return
    import torch

    gpus = torch.cuda.device_count()
    kind = _read(config.config).get("distributed_type") if config.config else None
    if not gpus and kind in _NEED_GPUS:
        raise StageError(
            f"accelerate.config {config.config} has distributed_type {kind}, which needs GPUs: "
            "leave it out, and give accelerate.processes for several processes on a CPU"
        )
    if gpus and count > gpus:
        raise StageError(
            f"accelerate.processes is {count} and this machine has {gpus} GPUs: give at most {gpus}"
        )


def _read(file: Path) -> dict[str, Any]:
    """Return the values of accelerate's file."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise StageError(
            f"accelerate.config {file}: {why}; `accelerate config` writes one"
        ) from error
    if not isinstance(values, dict) or type(values.get("num_processes")) is not int:
        raise StageError(
            f"accelerate.config {file} has no num_processes: give a file that `accelerate config` "
            "wrote"
        )
    if values.get("num_machines", 1) != 1:
        raise StageError(
            f"accelerate.config {file} has num_machines {values['num_machines']}: a stage runs on "
            "one machine, give 1"
        )
    return values


def _precision() -> str:
    """Return what the trainer computes in, so that no file of accelerate's changes a result."""
    import torch

    on_gpu = pick_device("auto") != "cpu"
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported() else "no"


@contextlib.contextmanager
def trained_in_processes(
    accelerate: AccelerateConfig,
    records: Sequence[Synthetic],
    values: dict[str, Any],
    log: Log,
    advance: Callable[[], None],
) -> Iterator[Path]:
    """Train, and yield the folder that has the adapter, which lasts as long as the block.

    Args:
        accelerate: in which processes.
        records: the pairs.
        values: of the job: the recipe's config, model, attention and seed.
        log: called with each point of the curve, in order.
        advance: called at each step.

    Raises:
        EngineError: the processes ended without an adapter.
    """
    with tempfile.TemporaryDirectory(prefix="domino-finetune-") as name:
        folder = Path(name)
        (folder / JOB).write_text(json.dumps({**values, "parent": os.getpid()}), encoding="utf-8")
        lines = "".join(record.to_json() + "\n" for record in records)
        (folder / KEPT).write_text(lines, encoding="utf-8")
        with (folder / "log").open("wb") as output, _started(accelerate, folder, output) as child:
            for metrics in _followed(child, folder / LOSSES):
                log(metrics.values, metrics.step)
                advance()
        if child.returncode:
            text = (folder / "log").read_text(encoding="utf-8", errors="replace")
            raise EngineError(f"fine-tuning in {accelerate.count} processes failed: {_why(text)}")
        yield folder


@contextlib.contextmanager
def _started(
    accelerate: AccelerateConfig, folder: Path, output: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the processes; whatever ends the block early ends them too."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", *accelerate.arguments()]
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(
        [*launch, "-m", WORKER, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # the first Ctrl-C lets a training end
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_ENDING_S)
            return


def _followed(child: subprocess.Popen[bytes], losses: Path) -> Iterator[Metrics]:
    """Yield the points of the curve as they are written, until the child has ended."""
    read = 0
    while True:
        ended = child.poll() is not None
        text = losses.read_text(encoding="utf-8") if losses.is_file() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        yield from (Metrics.from_json(line) for line in whole[read:])
        read = len(whole)
        if ended:
            return
        time.sleep(_LOOK_EVERY_S)


def _why(text: str) -> str:
    """Return the last error that the processes wrote; torchrun's own only says that one failed."""
    found = [line for line in _ERROR_LINE.findall(text) if "ChildFailedError" not in line]
    return found[-1][:300] if found else (text.strip().splitlines() or ["no word"])[-1][:300]
