"""Fine-tune the backbone on the pairs: LoRA, loss on responses only, a fixed number of steps."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.stages.context import StageContext
from benchmarks.stages.curves import recorded_log
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.config import ADAPTER, AccelerateConfig
from benchmarks.stages.finetuning.pairs import TrainingPair, token_ids, training_pairs
from benchmarks.stages.finetuning.processes import check_accelerate, trained_in_processes
from benchmarks.stages.finetuning.trainer import (
    load_trainable,
    make_trainer,
    micro_batch,
    no_bars,
    recipe_alone,
    save_adapter,
    train,
)
from benchmarks.stages.sieve import DROPPED, KEPT, reconciled
from benchmarks.stages.traits import Traits, always
from domino.backbone import load_shape
from domino.engines.chat import has_turns
from domino.records import Dropped, Provenance, Reference, Synthetic, derive_seed
from domino.text import sameness

if TYPE_CHECKING:
    from benchmarks.stages.finetuning.config import FinetuneConfig
    from benchmarks.store.store import Stage


OVER_LONG = "over-long"


TRAITS = Traits(random=always, asks=True)


@recipe_alone()
def run(
    config: FinetuneConfig,
    pairs: Stage,
    references: Sequence[Reference],
    stage: Stage,
    context: StageContext,
) -> None:
    """Write adapter/, losses.jsonl and dropped.jsonl; no adapter if there are no pairs.

    `references` are added to the pairs, except those that are pairs already.
    Training is determined by the seed, and restarts after a kill.

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
    added = _added(references, records)
    launched = context.accelerate if context.accelerate and context.accelerate.launches else None
    with no_bars():
        if launched:  # each process loads the model itself
            model, tokenizer = None, load_shape(context.model, context.chat)[1]
        else:
            model, tokenizer = load_trainable(
                config, context.model, context.attention, context.chat
            )
    protocol = context.suite.protocol(chat=has_turns(tokenizer))
    kept = _fitting(config, training_pairs(records, protocol, tokenizer), tokenizer, stage)
    of_references = {record.id for record in added}
    counts: dict[str, Any] = reconciled(
        stage.name,
        [record.id for record in records],
        {pair.id for pair in kept},
        {d.id: d.reason for d in stage.read(DROPPED, Dropped) if d.id not in of_references},
    )
    if kept and added:
        more = _fitting(config, training_pairs(added, protocol, tokenizer), tokenizer, stage)
        kept += more
        counts["references"] = len(more)
    if kept and not stage.has(ADAPTER):
        if launched:
            _train_in_processes(config, kept, launched, stage, context)
        else:
            _train(config, kept, model, tokenizer, stage, context)
    stage.finish({**counts, "steps": config.steps if kept else 0, "adapter": bool(kept)})


def _added(references: Sequence[Reference], records: Sequence[Synthetic]) -> list[Synthetic]:
    """Return the references as pairs, without those that are among the records."""
    known = {sameness(record.instruction) for record in records}
    return [
        Synthetic(
            id=f"reference/{reference.id}",
            instruction=reference.instruction,
            response=reference.response,
            provenance=Provenance(method="references", seed=0, parents=(reference.id,)),
        )
        for reference in references
        if sameness(reference.instruction) not in known
    ]


def _fitting(
    config: FinetuneConfig, pairs: Sequence[TrainingPair], tokenizer: Any, stage: Stage
) -> list[TrainingPair]:
    """Return the pairs of at most `max_tokens`; record the others as dropped."""
    recorded = {drop.id for drop in stage.read(DROPPED, Dropped)}
    kept = []
    for pair in pairs:
        tokens = len(token_ids(pair, tokenizer)[0])
        if tokens <= config.max_tokens:
            kept.append(pair)
        elif pair.id not in recorded:
            detail = f"{tokens} tokens, at most {config.max_tokens}"
            stage.append(
                DROPPED,
                Dropped(id=pair.id, stage=stage.name, reason=OVER_LONG, detail=detail),
            )
    return kept


def _train(
    config: FinetuneConfig,
    pairs: Sequence[TrainingPair],
    model: Any,
    tokenizer: Any,
    stage: Stage,
    context: StageContext,
) -> None:
    log, seed = recorded_log(stage, context.log), _seed(context)
    with no_bars(), tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(config, pairs, model, tokenizer, seed=seed, scratch=scratch)
        train(trainer, log, context.progress.advance)
        with stage.directory(ADAPTER) as directory:
            save_adapter(trainer, directory)


def _train_in_processes(
    config: FinetuneConfig,
    pairs: Sequence[TrainingPair],
    accelerate: AccelerateConfig,
    stage: Stage,
    context: StageContext,
) -> None:
    values = {
        "config": dataclasses.asdict(config),
        "model": context.model,
        "attention": context.attention,
        "chat": dataclasses.asdict(context.chat),
        "seed": _seed(context),
    }
    log, advance = recorded_log(stage, context.log), context.progress.advance
    with (
        trained_in_processes(accelerate, pairs, values, log, advance) as folder,
        stage.directory(ADAPTER) as directory,
    ):
        shutil.copytree(folder / ADAPTER, directory, dirs_exist_ok=True)


def _seed(context: StageContext) -> int:
    return derive_seed(context.seed, "finetune") % 2**32


def check(
    config: FinetuneConfig, accelerate: AccelerateConfig, references: Sequence[Reference]
) -> None:
    """Refuse what would only fail when the first row is to be trained.

    Raises:
        StageError: references to train on have no responses, four bits need a package that is
            missing, or the processes cannot be started, or cannot divide a batch.
    """
    missing = [reference.id for reference in references if not reference.response]
    if config.references and missing:
        raise StageError(
            f"fine-tuning on the references needs their responses, and {len(missing)} of "
            f"{len(references)} have none (the first is {missing[0]!r}): give "
            "--suite_options.track pair where the suite has it, or leave them out"
        )
    if config.quantize != "none" and importlib.util.find_spec("bitsandbytes") is None:
        raise StageError(
            f"finetune.quantize is {config.quantize}, which needs bitsandbytes: "
            "pip install -e '.[qlora]', or give none"
        )
    check_accelerate(accelerate)
    micro_batch(config, accelerate.count)
