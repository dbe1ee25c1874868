"""The fine-tuning recipe, and the processes that it runs in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from benchmarks.stages.errors import StageError
from domino.backbone import pick_device

ADAPTER = "adapter"


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """The recipe, the same for every method; only the pairs differ.

    Attributes:
        rank: of the LoRA matrices, on every linear layer.
        alpha: LoRA's scale; the update is multiplied by alpha / rank.
        dropout: on the input of the LoRA matrices.
        learning_rate: maximum, after the warm-up; then it decreases linearly to 0.
        warmup_share: share of the steps for the warm-up.
        steps: optimiser steps, for any number of pairs.
        batch_size: pairs per optimiser step.
        micro_batch_size: pairs per forward pass and process; None is the full batch, or each
            process's part of it.
        max_tokens: longer pairs, including the prompt, are dropped and counted.
        max_grad_norm: gradients are clipped to this norm.
        gradient_checkpointing: use less memory and more time.
        quantize: 4bit stores the frozen weights in four bits during training (QLoRA).
        references: also train on the references in every row that has a pair; a row
            references+METHOD always does.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    learning_rate: float = 1e-3
    warmup_share: float = 0.05
    steps: int = 150
    batch_size: int = 16
    micro_batch_size: int | None = None
    max_tokens: int = 512
    max_grad_norm: float = 1.0
    gradient_checkpointing: bool = False
    quantize: Literal["none", "4bit"] = "none"
    references: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        for name in ("rank", "alpha", "steps", "batch_size", "max_tokens"):
            if getattr(self, name) < 1:
                raise StageError(f"finetune.{name} is {getattr(self, name)}: give at least 1")
        for name in ("learning_rate", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise StageError(f"finetune.{name} is {getattr(self, name)}: give more than 0")
        for name in ("warmup_share", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise StageError(f"finetune.{name} is {getattr(self, name)}: give 0 to below 1")
        micro = self.micro_batch_size
        if micro is not None and (micro < 1 or self.batch_size % micro):
            raise StageError(
                f"finetune.micro_batch_size is {micro}: give a divisor of batch_size "
                f"{self.batch_size}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class AccelerateConfig:
    """In which processes fine-tuning runs; does not affect cached results.

    Attributes:
        processes: number of processes, one per GPU, that divide every batch; null is the number in
            the file, or one.
        config: file written by `accelerate config`, with settings of FSDP or DeepSpeed; null
            replicates the backbone on every GPU.
    """

    processes: int | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a number below 1."""
        if self.processes is not None and self.processes < 1:
            raise StageError(f"accelerate.processes is {self.processes}: give at least 1")

    @property
    def launches(self) -> bool:
        """Whether child processes are started."""
        return self.config is not None or self.count > 1

    @property
    def count(self) -> int:
        """Number of processes.

        Raises:
            StageError: the file cannot be read, or is not of this one machine.
        """
        if self.config is None:
            return self.processes or 1
        values = _read(self.config)
        return self.processes or int(values["num_processes"])

    def arguments(self) -> list[str]:
        """Return the options of `accelerate launch` that the recipe sets, whatever a file says."""
        count = self.count
        threads = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // count)
        return [
            *(["--multi_gpu"] if not self.config and count > 1 else []),  # on a CPU as well
            *("--num_processes", str(count), "--mixed_precision", _precision()),
            *("--dynamo_backend", "no", "--main_process_port", "0"),
            *("--num_cpu_threads_per_process", str(threads)),
        ]


def _read(file: Path) -> dict[str, Any]:
    """Return the values of accelerate's file."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
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
    """Return the trainer's precision, so that accelerate's file cannot change a result."""
    import torch

    on_gpu = pick_device("auto") != "cpu"
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported() else "no"
