"""One training process, started by accelerate for `processes`; its argument is the job's folder.

The job has `job.json` and `kept.jsonl`; the first process adds `losses.jsonl` as it trains and
`adapter/` at the end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.stages.curves import LOSSES, Metrics
from benchmarks.stages.finetuning.config import ADAPTER, FinetuneConfig
from benchmarks.stages.finetuning.pairs import TrainingPair
from benchmarks.stages.finetuning.processes import JOB
from benchmarks.stages.finetuning.trainer import (
    load_trainable,
    make_trainer,
    no_bars,
    save_adapter,
    train,
)
from benchmarks.stages.sieve import KEPT
from domino.engines.chat import ChatFormat

_LOOK_EVERY_S = 1.0


def main(folder: Path) -> None:
    """Train as the job says."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    threading.Thread(target=_end_with, args=(job["parent"],), daemon=True).start()
    config = FinetuneConfig(**job["config"])
    lines = (folder / KEPT).read_text(encoding="utf-8").split("\n")
    pairs = [TrainingPair.from_json(line) for line in lines if line]

    def log(metrics: Mapping[str, float], step: int) -> None:
        with (folder / LOSSES).open("a", encoding="utf-8") as file:
            file.write(Metrics(step=step, values=metrics).to_json() + "\n")

    with no_bars():
        model, tokenizer = load_trainable(
            config, job["model"], job["attention"], ChatFormat(**job["chat"])
        )
        trainer = make_trainer(
            config, pairs, model, tokenizer, seed=job["seed"], scratch=folder / "scratch"
        )
        train(trainer, log, lambda: None)
        save_adapter(trainer, folder / ADAPTER)
        trainer.accelerator.end_training()


def _end_with(parent: int) -> None:
    """End this process when the launcher or the harness is gone: nobody waits for the adapter."""
    import psutil

    launcher = os.getppid()
    while psutil.pid_exists(parent) and os.getppid() == launcher:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
