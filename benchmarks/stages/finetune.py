"""Fine-tune the backbone on the pairs: LoRA, loss on responses alone, a fixed number of steps."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.stages.context import StageContext, StageError, recorded_log
from benchmarks.stages.finetuning.processes import (
    AccelerateConfig,
    check_accelerate,
    trained_in_processes,
)
from benchmarks.stages.finetuning.trainer import (
    conversation,
    load_trainable,
    make_trainer,
    micro_batch,
    no_bars,
    save_adapter,
    train,
)
from benchmarks.stages.sieve import DROPPED, KEPT, reconciled
from domino.backbone import load_shape
from domino.engines.chat import render_chat
from domino.records import Dropped, Synthetic, derive_seed

if TYPE_CHECKING:
    from benchmarks.store.store import Stage

ADAPTER = "adapter"
OVER_LONG = "over-long"


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """The recipe, the same for every method: what differs is only the pairs.

    Attributes:
        rank: rank of the LoRA matrices, on every linear layer.
        alpha: LoRA's scale; the update is weighed by alpha / rank.
        dropout: on the input of the LoRA matrices.
        learning_rate: at the end of the warm-up, from where it falls linearly to 0.
        warmup_share: share of the steps over which it rises.
        steps: optimiser steps, whatever the number of pairs.
        batch_size: pairs in an optimiser step.
        micro_batch_size: pairs that go through the model at once, in each process where there are
            several; None is the whole batch, or each process's part of it.
        max_tokens: a longer pair, prompt included, is dropped and counted.
        max_grad_norm: gradients are clipped to this norm.
        gradient_checkpointing: trade time for memory.
        quantize: 4bit stores the frozen weights in four bits while the adapter is trained (QLoRA).
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


def run(config: FinetuneConfig, pairs: Stage, stage: Stage, context: StageContext) -> None:
    """Write adapter/ and losses.jsonl; no adapter where no pair is left to train on.

    Training is a function of the seed and starts over after a kill.

    Raises:
        StageError: a pair has no response.
        EngineError: the backbone cannot be loaded or has no chat template, or the processes that
            were to train it failed.
    """
    records = pairs.read(KEPT, Synthetic)
    context.progress.start(stage.name, config.steps)
    context.release_engine()
    if not records:
        stage.finish({"in": 0, "kept": 0, "dropped": {}, "steps": 0, "adapter": False})
        return
    launched = context.accelerate if context.accelerate and context.accelerate.launches else None
    with no_bars():
        if launched:  # each process loads the model itself
            model, tokenizer = None, load_shape(context.model)[1]
        else:
            model, tokenizer = load_trainable(config, context.model, context.attention)
    kept = _fitting(config, records, tokenizer, stage)
    counts = reconciled(
        stage.name,
        [record.id for record in records],
        {record.id for record in kept},
        {drop.id: drop.reason for drop in stage.read(DROPPED, Dropped)},
    )
    if kept and not stage.has(ADAPTER):
        if launched:
            _train_in_processes(config, kept, launched, stage, context)
        else:
            _train(config, kept, model, tokenizer, stage, context)
    stage.finish({**counts, "steps": config.steps if kept else 0, "adapter": bool(kept)})


def _fitting(
    config: FinetuneConfig, records: Sequence[Synthetic], tokenizer: Any, stage: Stage
) -> list[Synthetic]:
    """Return the pairs of at most `max_tokens`; record the others as dropped."""
    recorded = {drop.id for drop in stage.read(DROPPED, Dropped)}
    render_chat(tokenizer, conversation(records[0])["prompt"])  # says so where there is no template
    kept = []
    for record in records:
        turns = conversation(record)
        text = tokenizer.apply_chat_template(turns["prompt"] + turns["completion"], tokenize=False)
        tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        if tokens <= config.max_tokens:
            kept.append(record)
        elif record.id not in recorded:
            detail = f"{tokens} tokens, at most {config.max_tokens}"
            stage.append(
                DROPPED,
                Dropped(id=record.id, stage=stage.name, reason=OVER_LONG, detail=detail),
            )
    return kept


def _train(
    config: FinetuneConfig,
    records: Sequence[Synthetic],
    model: Any,
    tokenizer: Any,
    stage: Stage,
    context: StageContext,
) -> None:
    log, seed = recorded_log(stage, context.log), _seed(context)
    with no_bars(), tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(config, records, model, tokenizer, seed=seed, scratch=scratch)
        train(trainer, log, context.progress.advance)
        with stage.directory(ADAPTER) as directory:
            save_adapter(trainer, directory)


def _train_in_processes(
    config: FinetuneConfig,
    records: Sequence[Synthetic],
    accelerate: AccelerateConfig,
    stage: Stage,
    context: StageContext,
) -> None:
    values = {
        "config": dataclasses.asdict(config),
        "model": context.model,
        "attention": context.attention,
        "seed": _seed(context),
    }
    log, advance = recorded_log(stage, context.log), context.progress.advance
    with (
        trained_in_processes(accelerate, records, values, log, advance) as folder,
        stage.directory(ADAPTER) as directory,
    ):
        shutil.copytree(folder / ADAPTER, directory, dirs_exist_ok=True)


def _seed(context: StageContext) -> int:
    return derive_seed(context.seed, "finetune") % 2**32


def check(config: FinetuneConfig, accelerate: AccelerateConfig) -> None:
    """Refuse what would only fail when the first row is to be trained.

    Raises:
        StageError: four bits need a package that is missing, or the processes cannot be had, or
            cannot share a batch.
    """
    if config.quantize != "none" and importlib.util.find_spec("bitsandbytes") is None:
        raise StageError(
            f"finetune.quantize is {config.quantize}, which needs bitsandbytes: "
            "pip install -e '.[qlora]', or give none"
        )
    check_accelerate(accelerate)
    micro_batch(config, accelerate.count)
