"""One process of a fit of several: `accelerate launch fit_processes.py OUT WEIGHT DIE_AT`."""

import json
import os
import sys
from pathlib import Path

import torch

from domino.diagnostics import Guard
from domino.fit_config import FitConfig
from domino.fitting import fit_tokens
from domino.shared_prefix import Text
from tests.tiny import make_model

LENGTHS = (7, 3, 9, 4, 6, 5, 8, 2, 6, 7, 5, 4, 9)


def texts():
    draw = torch.Generator().manual_seed(5)
    return [Text(torch.randint(5, 320, (length,), generator=draw)) for length in LENGTHS]


def config(contrastive, batch_size):
    return FitConfig(
        domain_tokens=3, sample_tokens=2, steps=8, batch_size=batch_size, evaluate_every=2,
        checkpoint_every=3, held_out=0.2, learning_rate=0.1, w_contrastive=contrastive,
    )  # fmt: skip


def main(out, contrastive, dies_at):
    rows = []

    def log(metrics, step):
        rows.append(metrics)
        if step == dies_at:
            os._exit(1)

    guard = Guard(draw=lambda tokens: [f"{tokens.sum():.6f}"], references=("a",))
    fitted = fit_tokens(
        make_model(), texts(), config(contrastive, 3), 7,
        guard=guard, checkpoints=Path(out) / "checkpoints", log=log,
    )  # fmt: skip
    rank = torch.distributed.get_rank()
    found = {
        "rows": rows,
        "step": fitted.step,
        "held_out": fitted.held_out_loss,
        "tokens": fitted.domain_PH.tolist(),
    }
    (Path(out) / f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
