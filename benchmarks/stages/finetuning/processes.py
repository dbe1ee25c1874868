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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stages.curves import LOSSES, Log, Metrics
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.config import _read
from benchmarks.stages.sieve import KEPT
from domino.engines.base import EngineError

if TYPE_CHECKING:
    from benchmarks.stages.finetuning.config import AccelerateConfig
    from benchmarks.stages.finetuning.pairs import TrainingPair


JOB = "job.json"


WORKER = "benchmarks.stages.finetuning.worker"


_NEED_GPUS = ("FSDP", "DEEPSPEED")  # without, accelerate replicates and says nothing


_REPLICATED = "{compute_environment: LOCAL_MACHINE, distributed_type: 'NO', num_machines: 1}\n"


_LOOK_EVERY_S = 0.2


_ENDING_S = 20.0


_ERROR_LINE = re.compile(r"\b[\w.]*(?:Error|Exception)\b: .*")


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
            "remove it, and give accelerate.processes for several processes on a CPU"
        )
    if gpus and count > gpus:
        raise StageError(
            f"accelerate.processes is {count}, but there are {gpus} GPUs: give at most {gpus}"
        )


@contextlib.contextmanager
def trained_in_processes(
    accelerate: AccelerateConfig,
    pairs: Sequence[TrainingPair],
    values: dict[str, Any],
    log: Log,
    advance: Callable[[], None],
) -> Iterator[Path]:
    """Train, and yield the folder that has the adapter, which lasts as long as the block.

    Args:
        accelerate: in which processes.
        pairs: what is trained on.
        values: of the job: the recipe's config, model, attention and seed.
        log: called with each point of the curve, in order.
        advance: called at each step.

    Raises:
        EngineError: the processes ended without an adapter.
    """
    with tempfile.TemporaryDirectory(prefix="domino-finetune-") as name:
        folder = Path(name)
        (folder / JOB).write_text(json.dumps({**values, "parent": os.getpid()}), encoding="utf-8")
        lines = "".join(pair.to_json() + "\n" for pair in pairs)
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
    settings = accelerate.config or folder / "accelerate.yaml"
    if accelerate.config is None:  # in its place accelerate would read one of the user's home
        settings.write_text(_REPLICATED, encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(settings)]
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(
        [*launch, *accelerate.arguments(), "-m", WORKER, str(folder)],
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
