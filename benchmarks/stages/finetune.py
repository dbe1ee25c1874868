"""Fine-tune the backbone on the pairs: LoRA, loss on responses alone, a fixed number of steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stages.context import Log, StageContext, StageError, recorded_log
from benchmarks.stages.sieve import DROPPED, KEPT, reconciled
from domino.backbone import load_backbone
from domino.engines.chat import render_chat
from domino.records import Dropped, Synthetic, derive_seed

if TYPE_CHECKING:
    from benchmarks.store import Stage

ADAPTER = "adapter"
OVER_LONG = "over-long"

_LOGGED = ("loss", "learning_rate", "grad_norm")


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
        micro_batch_size: pairs that go through the model at once; None is the whole batch.
        max_tokens: a longer pair, prompt included, is dropped and counted.
        max_grad_norm: gradients are clipped to this norm.
        gradient_checkpointing: trade time for memory.
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
        EngineError: the backbone cannot be loaded, or has no chat template.
    """
    records = pairs.read(KEPT, Synthetic)
    context.progress.start(stage.name, config.steps)
    context.release_engine()
    if not records:
        stage.finish({"in": 0, "kept": 0, "dropped": {}, "steps": 0, "adapter": False})
        return
    with _no_bars():
        model, tokenizer = load_backbone(context.model, attention=context.attention)
    kept = _fitting(config, records, tokenizer, stage)
    counts = reconciled(
        stage.name,
        [record.id for record in records],
        {record.id for record in kept},
        {drop.id: drop.reason for drop in stage.read(DROPPED, Dropped)},
    )
    if kept and not stage.has(ADAPTER):
        _train(config, kept, model, tokenizer, stage, context)
    stage.finish({**counts, "steps": config.steps if kept else 0, "adapter": bool(kept)})


def conversation(record: Synthetic) -> dict[str, list[dict[str, str]]]:
    """Return the pair in trl's prompt and completion form.

    Raises:
        StageError: the record has no response.
    """
    if record.response is None:
        raise StageError(f"pair {record.id!r} has no response: run the respond stage before")
    return {
        "prompt": [{"role": "user", "content": record.instruction}],
        "completion": [{"role": "assistant", "content": record.response}],
    }


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
    log = recorded_log(stage, context.log)
    seed = derive_seed(context.seed, "finetune") % 2**32
    with _no_bars(), tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(config, records, model, tokenizer, seed=seed, scratch=scratch)
        trainer.add_callback(_reporter(log, context.progress.advance))
        trainer.train()
        adapter = trainer.model.peft_config["default"]
        adapter.target_modules = sorted(adapter.target_modules)  # a set, whose order is by chance
        with stage.directory(ADAPTER) as directory:
            trainer.model.save_pretrained(str(directory), save_embedding_layers=False)


def make_trainer(
    config: FinetuneConfig,
    records: Sequence[Synthetic],
    model: Any,
    tokenizer: Any,
    *,
    seed: int,
    scratch: str | Path,
) -> Any:
    """Return trl's SFTTrainer over the pairs, with LoRA on the model.

    The prompt carries no loss; the response and the token that ends its turn do.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_trainer import SFTTrainer

    set_seed(seed)  # before the LoRA matrices are drawn, which is before the trainer sets it
    adapter = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    trainer = SFTTrainer(
        model=model,
        args=_arguments(config, model, seed, scratch),
        train_dataset=Dataset.from_list([conversation(record) for record in records]),
        processing_class=tokenizer,
        peft_config=adapter,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(config: FinetuneConfig, model: Any, seed: int, scratch: str | Path) -> Any:
    import torch
    from trl.trainer.sft_config import SFTConfig

    on_gpu = model.device.type == "cuda"
    micro = config.micro_batch_size or config.batch_size
    return SFTConfig(
        output_dir=str(scratch),
        max_steps=config.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=config.batch_size // micro,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(config.warmup_share * config.steps),
        max_grad_norm=config.max_grad_norm,
        weight_decay=0.0,
        completion_only_loss=True,
        max_length=None,  # over-long pairs are gone; a cut one would teach never to stop
        train_sampling_strategy="group_by_length",  # less padding; the order is still the seed's
        gradient_checkpointing=config.gradient_checkpointing,
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=seed,
        data_seed=seed,
    )


def _reporter(log: Log, advance: Callable[[], None]) -> Any:
    """Return a callback that hands on the curve, and counts steps as they end."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Reports to the harness."""

        def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            """Hand on one point of the curve; the summary at the end has no loss of its own."""
            logs = given["logs"]
            if "loss" in logs:
                values = {name: float(logs[name]) for name in _LOGGED if name in logs}
                log(values, state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Count a step."""
            advance()

    return Reporter()


@contextmanager
def _no_bars() -> Iterator[None]:
    """Silence the libraries' own progress bars: the harness shows one of its own."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # its functions have no types
    were_on = not are_progress_bars_disabled(), logging.is_progress_bar_enabled()
    disable_progress_bars()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_on[0]:
            enable_progress_bars()
        if were_on[1]:
            logging.enable_progress_bar()
