"""The training itself: trl's trainer with LoRA over the pairs, in one process or in several.

Several processes take the same steps as one: every step's batch is the one that a single process
would take, each process goes through its part of it, and the loss is the mean over the tokens of
all of them. See `shares` for the parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stages.curves import Log
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.pairs import TrainingPair, token_ids
from benchmarks.stages.finetuning.shares import shared_loader
from domino.backbone import Backbone, load_backbone, load_shape, pick_device

if TYPE_CHECKING:
    from benchmarks.stages.finetuning.config import FinetuneConfig
    from domino.distributed import World
    from domino.engines.chat import ChatFormat

_LOGGED = ("loss", "learning_rate", "grad_norm")
_SHARDED = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")


def load_trainable(
    config: FinetuneConfig, model: str, attention: str, chat: ChatFormat | None = None
) -> Backbone:
    """Load the backbone to train on: where accelerate shards it, in main memory at first.

    Raises:
        EngineError: it cannot be loaded.
    """
    more: dict[str, Any] = {
        "attention": attention, "quantization": _quantization(config), "chat": chat
    }  # fmt: skip
    if any(os.environ.get(name, "false").lower() == "true" for name in _SHARDED):
        dtype = "float32" if pick_device("auto") == "cpu" else load_shape(model)[0].dtype
        more |= {"device": "cpu", "dtype": str(dtype or "auto").removeprefix("torch.")}
    return load_backbone(model, **more)


def _quantization(config: FinetuneConfig) -> Any:
    """Return how the frozen weights are stored: as they are (None), or in QLoRA's four bits."""
    if config.quantize == "none":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_quant_storage=torch.bfloat16,  # of one type with the rest, or FSDP cannot shard
    )


def make_trainer(
    config: FinetuneConfig,
    pairs: Sequence[TrainingPair],
    model: Any,
    tokenizer: Any,
    *,
    seed: int,
    scratch: str | Path,
) -> Any:
    """Return trl's SFTTrainer over the pairs, with LoRA on the model.

    The prompt carries no loss; the response and the token that ends its turn do.

    Raises:
        StageError: the batch cannot be divided among the processes.
    """
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    from domino.distributed import World

    world = World.of(torch.device(pick_device("auto")))
    micro = micro_batch(config, world.size)
    set_seed(seed)  # before the LoRA matrices are drawn, which is before the trainer sets it
    trainer = _trainer_class(config, world, micro)(
        model=model,
        args=_arguments(config, micro, world.size, seed, scratch),
        train_dataset=Dataset.from_list([_tokenized(pair, tokenizer) for pair in pairs]),
        processing_class=tokenizer,
        peft_config=_adapter(config),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _tokenized(pair: TrainingPair, tokenizer: Any) -> dict[str, list[int]]:
    """Return a pair in trl's form for what is tokenized already."""
    ids, mask = token_ids(pair, tokenizer)
    return {"input_ids": ids, "completion_mask": mask}


def micro_batch(config: FinetuneConfig, processes: int) -> int:
    """Return how many pairs go through the model of each process at once.

    Raises:
        StageError: the batch cannot be divided so.
    """
    micro = config.micro_batch_size or config.batch_size // processes
    if not micro or config.batch_size % (micro * processes):
        least = processes * (config.micro_batch_size or 1)
        raise StageError(
            f"finetune.batch_size is {config.batch_size} and cannot be shared by {processes} "
            f"processes with finetune.micro_batch_size {config.micro_batch_size}: give a multiple "
            f"of {least}, or another accelerate.processes"
        )
    return micro


def _adapter(config: FinetuneConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _trainer_class(config: FinetuneConfig, world: World, micro: int) -> Any:
    from trl.trainer.sft_trainer import SFTTrainer

    if world.size == 1:
        return SFTTrainer

    class SharingTrainer(SFTTrainer):
        """One of several, which takes its part of every batch."""

        def get_train_dataloader(self) -> Any:
            """Return this process's parts of the batches of one process."""
            return shared_loader(self, world, config.batch_size, micro)

    return SharingTrainer


def _arguments(
    config: FinetuneConfig, micro: int, processes: int, seed: int, scratch: str | Path
) -> Any:
    import torch
    from trl.trainer.sft_config import SFTConfig

    on_gpu = pick_device("auto") != "cpu"
    return SFTConfig(
        output_dir=str(scratch),
        max_steps=config.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=config.batch_size // (micro * processes),
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


def train(trainer: Any, log: Log, advance: Callable[[], None]) -> None:
    """Take all steps; the first process reports each."""
    if trainer.is_world_process_zero():
        trainer.add_callback(_reporter(log, advance))
    trainer.train()


def save_adapter(trainer: Any, directory: Path) -> None:
    """Write the adapter in peft's form; every process calls this, the first one writes."""
    sharded = trainer.accelerator.num_processes > 1
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if not trainer.is_world_process_zero():
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    adapter = model.peft_config["default"]
    adapter.target_modules = sorted(adapter.target_modules)  # a set, whose order is by chance
    model.save_pretrained(str(directory), state_dict=state, save_embedding_layers=False)


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
def recipe_alone() -> Iterator[None]:
    """Hide what accelerate reads from the environment: precision and more, in no cache key."""
    names = [name for name in os.environ if name.startswith("ACCELERATE_")]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def no_bars() -> Iterator[None]:
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
