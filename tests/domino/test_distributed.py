"""Two processes under `accelerate launch`, talking through gloo, against one.

`--multi_gpu` is how accelerate starts several processes; on a CPU it does the same.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from domino.backbone import pick_device
from domino.distributed import World
from domino.fit_config import FittingError
from domino.fit_losses import FitLosses
from domino.fit_run import FitRun
from domino.fitting import check_parts, fit_tokens, split
from domino.objective import objective
from domino.shared_prefix import loss_matrix
from tests.domino.fit_processes import config, texts
from tests.tiny import make_model

ROOT = Path(__file__).resolve().parents[2]


def launch(out, contrastive, dies_at=0):
    out.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--num_cpu_threads_per_process", "1", "--main_process_port", "0",
        "-m", "tests.domino.fit_processes", str(out), str(contrastive), str(dies_at),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


def results(out):
    return [json.loads((out / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_with_their_batches_together(tmp_path):
    done = launch(tmp_path / "two", 0.0)
    assert done.returncode == 0, done.stderr
    first, second = results(tmp_path / "two")
    rows = []
    alone = fit_tokens(
        make_model(), texts(), config(0.0, 6), 7, log=lambda metrics, step: rows.append(metrics)
    )
    for name in ("objective", "domain", "reconstruction", "diagonal_loss", "gradient_norm"):
        together = [row[name] for row in first["rows"]]
        assert together == pytest.approx([row[name] for row in rows], rel=1e-4), name
    assert first["held_out"] == pytest.approx(alone.held_out_loss, rel=1e-4)
    assert first["step"] == alone.step
    assert torch.allclose(torch.tensor(first["tokens"]), alone.domain_PH, atol=1e-3)
    assert second["tokens"] == first["tokens"]
    assert second["rows"] == []  # the first process logs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_negatives_are_those_of_the_process_and_a_kill_is_resumed_in_all(tmp_path):
    done = launch(tmp_path / "whole", 1.0)
    assert done.returncode == 0, done.stderr
    whole, _ = results(tmp_path / "whole")
    assert whole["rows"][0]["objective"] == pytest.approx(slow_first_objective(), rel=1e-5)
    assert launch(tmp_path / "killed", 1.0, dies_at=5).returncode != 0
    assert launch(tmp_path / "killed", 1.0).returncode == 0
    assert results(tmp_path / "killed")[0] == whole
    assert results(tmp_path / "killed")[1]["tokens"] == whole["tokens"]


def slow_first_objective():
    """The mean of both processes' objectives at the first step, each on its half of the batch."""
    settings, model = config(1.0, 3), make_model()
    kept, _ = split(len(texts()), settings.held_out, 7)
    trained = [texts()[i] for i in kept]
    run = FitRun(FitLosses(model, settings), trained, settings, 7, world=World(0, 2))
    batch = next(run.batches())
    assert len(batch) == 6
    total = 0.0
    for half in (batch[:3], batch[3:]):
        samples = torch.stack([run.samples[i] for i in half])
        losses = loss_matrix(model, run.domain_PH, samples, [trained[i] for i in half])
        total += float(objective(*losses, settings.weights).total.detach()) / 2
    return total


def test_each_process_takes_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device("auto") == "cuda:3"
    assert pick_device("cuda:1") == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_parts_of_a_batch_are_the_batch_in_order(size):
    batch = list(range(10, 21))
    parts = [World(rank, size).part(batch) for rank in range(size)]
    assert [index for part in parts for index in part] == batch
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_every_process_has_two_references_in_every_batch():
    settings = dataclasses.replace(config(1.0, 3), epochs=4)
    for world in (World(0, 2), World(0, 3)):
        run = FitRun(FitLosses(make_model(), settings), texts(), settings, 7, world=world)
        steps = zip(range(run.total_steps), run.batches(), strict=False)
        epochs = [batch for _, batch in steps]
        assert sorted(index for batch in epochs for index in batch) == sorted(list(range(13)) * 4)
        for batch in epochs:
            assert min(len(World(r, world.size).part(batch)) for r in range(world.size)) >= 2


def test_more_processes_than_can_have_two_references_each_are_refused():
    with pytest.raises(FittingError, match="5 references to train on are too few for 3 processes"):
        check_parts(5, World(0, 3))
    check_parts(6, World(0, 3))
