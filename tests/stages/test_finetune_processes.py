"""Fine-tuning in two processes that talk through gloo, against one: the same steps."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from benchmarks.stages.curves import Metrics
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetune import check
from benchmarks.stages.finetuning.config import AccelerateConfig, FinetuneConfig
from benchmarks.stages.finetuning.processes import trained_in_processes
from benchmarks.stages.finetuning.shares import SharedBatches
from domino.distributed import World
from domino.engines.base import EngineError
from domino.engines.transformers_engine import TransformersEngine
from tests.stages.small import synthetic
from tests.stages.test_finetune import backbone, trained  # noqa: F401

CONFIG = FinetuneConfig(rank=4, alpha=8, steps=8, batch_size=4, max_tokens=400, learning_rate=1e-2)
PAIRS = [synthetic(n, response="x = 1\n" * (1 + 2 * n)) for n in range(27)]
"""Each epoch ends with a batch of three. The longest response has 53 times the words of the
shortest, so that a mean over processes is not one over tokens; and grouped by length for a batch of
two, as each process alone would, 27 pairs come in other batches than for one of four."""
TWO = AccelerateConfig(processes=2)


class LocalWorld(World):
    """One of several processes, with the order that the first one drew."""

    def from_first(self, make):
        return make()


def shares(count, *, size, batch, micro):
    return [
        list(SharedBatches(range(count), count, world=LocalWorld(rank, size), batch=batch,
                           micro=micro, blank=count))
        for rank in range(size)
    ]  # fmt: skip


@pytest.mark.parametrize("count", range(1, 20))
@pytest.mark.parametrize(("size", "micro"), [(2, 2), (2, 4), (4, 1), (2, 1), (8, 1), (1, 4)])
def test_every_batch_is_that_of_one_process_whatever_their_number(count, size, micro):
    found = shares(count, size=size, batch=8, micro=micro)
    rounds = [[item for part in parts for item in part] for parts in zip(*found, strict=True)]
    assert len({len(part) for part in found}) == 1, "all go through the model equally often"
    assert [item for items in rounds for item in items if item < count] == list(range(count))
    steps = -(-8 // (size * micro))  # rounds of a whole batch
    batches = [rounds[at : at + steps] for at in range(0, len(rounds), steps)]
    sizes = [sum(item < count for items in batch for item in items) for batch in batches]
    assert sizes == [8] * (count // 8) + [count % 8] * (count % 8 > 0)
    assert all(len(part) <= micro for parts in found for part in parts)


def curve(stage):
    return [point.values for point in stage.read("losses.jsonl", Metrics)]


def adapter(stage):
    return load_file(stage.path / "adapter" / "adapter_model.safetensors")


def assert_same(together, alone):
    assert len(curve(together)) == CONFIG.steps
    for name in ("loss", "learning_rate", "grad_norm"):
        values = [[point[name] for point in curve(stage)] for stage in (together, alone)]
        assert values[0] == pytest.approx(values[1], rel=1e-5), name
    one, two = adapter(alone), adapter(together)
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    assert together.summary == alone.summary
    assert set(together.digests) == set(alone.digests)


@pytest.mark.slow
def test_two_processes_give_the_curve_and_the_adapter_of_one(
    backbone,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    other = file(tmp_path, distributed_type="FSDP", mixed_precision="bf16", num_processes=7)
    (tmp_path / "accelerate").mkdir()
    other.rename(tmp_path / "accelerate" / "default_config.yaml")
    monkeypatch.setenv("HF_HOME", str(tmp_path))  # the file of the user's home is not read
    alone = trained(tmp_path / "one", backbone, PAIRS, CONFIG)
    logged = []
    together = trained(
        tmp_path / "two", backbone, PAIRS, CONFIG, accelerate=TWO,
        log=lambda values, step: logged.append((step, values)),
    )  # fmt: skip
    assert_same(together, alone)
    assert logged == [(step, values) for step, values in enumerate(curve(together), 1)]


def fsdp_file(tmp_path):
    sharding = {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_state_dict_type": "FULL_STATE_DICT",
        "fsdp_reshard_after_forward": True,
    }
    return file(
        tmp_path, compute_environment="LOCAL_MACHINE", distributed_type="FSDP", fsdp_config=sharding
    )


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="with GPUs the next test does it on them")
def test_sharded_over_two_cpu_processes_they_give_it_too(
    backbone,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    shards = tmp_path / "shards"
    shards.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "fsdp_on_cpu"))
    monkeypatch.setenv("FSDP_SHARDS", str(shards))
    alone = trained(tmp_path / "one", backbone, PAIRS, CONFIG)
    assert not list(shards.iterdir())
    together = trained(
        tmp_path / "two", backbone, PAIRS, CONFIG,
        accelerate=AccelerateConfig(config=fsdp_file(tmp_path)),
    )  # fmt: skip
    assert_same(together, alone)
    processes = [json.loads(path.read_text()) for path in shards.iterdir()]
    assert len(processes) == 2
    for sizes in processes:
        assert sum(name.endswith("lora_A.default.weight") for name in sizes) > 1
        assert all(local < whole for whole, local in sizes.values())
    for name, (whole, _) in processes[0].items():
        assert sum(sizes[name][1] for sizes in processes) == whole, name


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_sharded_by_fsdp_they_give_it_too(backbone, tmp_path):  # noqa: F811
    alone = trained(tmp_path / "one", backbone, PAIRS, CONFIG)
    together = trained(
        tmp_path / "two", backbone, PAIRS, CONFIG,
        accelerate=AccelerateConfig(config=fsdp_file(tmp_path)),
    )  # fmt: skip
    assert_same(together, alone)


def file(tmp_path, **values):
    path = tmp_path / "accelerate.yaml"
    path.write_text(yaml.safe_dump({"num_machines": 1, "num_processes": 2, **values}))
    return path


def test_a_file_says_how_many_processes_there_are_and_an_option_wins(tmp_path):
    path = file(tmp_path, mixed_precision="fp16")
    from_file = AccelerateConfig(config=path)
    assert (from_file.count, from_file.launches) == (2, True)
    assert AccelerateConfig(config=path, processes=4).count == 4
    given = from_file.arguments()
    assert given[given.index("--mixed_precision") + 1] != "fp16", "the recipe's, not the file's"
    assert not AccelerateConfig().launches
    assert not AccelerateConfig(processes=1).launches


def test_accelerate_is_always_given_a_file_or_it_would_read_one_of_the_users_home(monkeypatch):
    given = []

    def refuse(command, **_):
        path = Path(command[command.index("--config_file") + 1])
        given.append(yaml.safe_load(path.read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with (
        pytest.raises(KeyboardInterrupt),
        trained_in_processes(TWO, [], {}, pytest.fail, pytest.fail),
    ):
        pass
    assert given[0]["distributed_type"] == "NO"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_machines": 2}, "num_machines 2: a stage runs on one machine"),
        ({"num_processes": None}, "has no num_processes"),
        ({"num_processes": 3}, "batch_size is 4 and cannot be shared by 3 processes"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_followed_is_refused_before_work(tmp_path, changes, message):
    with pytest.raises(StageError, match=message):
        check(CONFIG, AccelerateConfig(config=file(tmp_path, **changes)), ())


def test_a_missing_file_and_too_few_processes_are_refused(tmp_path):
    with pytest.raises(StageError, match=r"No such file.*`accelerate config` writes one"):
        check(CONFIG, AccelerateConfig(config=tmp_path / "none.yaml"), ())
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(StageError, match="accelerate config"):
        check(CONFIG, AccelerateConfig(config=broken), ())
    with pytest.raises(StageError, match=r"processes is 0: give at least 1"):
        AccelerateConfig(processes=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("kind", ["FSDP", "DEEPSPEED"])
def test_sharding_is_refused_where_accelerate_would_replicate_in_silence(tmp_path, kind):
    with pytest.raises(StageError, match=rf"distributed_type {kind}, which needs GPUs"):
        check(CONFIG, AccelerateConfig(config=file(tmp_path, distributed_type=kind)), ())


@pytest.mark.slow
def test_over_four_bits_it_learns_and_its_adapter_fits_the_plain_backbone(
    backbone,  # noqa: F811
    tmp_path,
):
    pytest.importorskip("bitsandbytes")
    config = replace(CONFIG, quantize="4bit", gradient_checkpointing=True)
    check(config, AccelerateConfig(), ())
    stage = trained(tmp_path, backbone, PAIRS, config)
    losses = [point["loss"] for point in curve(stage)]
    assert losses[-1] < 0.8 * losses[0]
    plain = trained(tmp_path / "plain", backbone, PAIRS, replace(config, quantize="none"))
    assert losses[0] != pytest.approx(curve(plain)[0]["loss"], rel=1e-3), "the weights are coarser"
    TransformersEngine.load(backbone, adapter=stage.path / "adapter")


def test_a_batch_is_shared_in_whole_micro_batches():
    check(FinetuneConfig(batch_size=8, micro_batch_size=2), AccelerateConfig(processes=4), ())
    with pytest.raises(StageError, match="give a multiple of 12"):
        check(FinetuneConfig(batch_size=8, micro_batch_size=4), AccelerateConfig(processes=3), ())
    with pytest.raises(StageError, match="give a multiple of 16"):
        check(FinetuneConfig(batch_size=8), AccelerateConfig(processes=16), ())


def test_four_bits_without_their_package_are_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StageError, match=r"needs bitsandbytes: pip install -e '\.\[qlora\]'"):
        check(FinetuneConfig(quantize="4bit"), AccelerateConfig(), ())


def job(backbone, **changes):  # noqa: F811
    config = {name: getattr(CONFIG, name) for name in CONFIG.__dataclass_fields__}
    return {"config": config, "model": str(backbone), "attention": "auto", "seed": 0, **changes}


def workers():
    """The processes that work at a job, wherever they are started."""
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "finetuning.worker" in line and "domino-finetune-" in line]


def assert_all_end(seconds=60):
    until = time.monotonic() + seconds
    while workers() and time.monotonic() < until:
        time.sleep(0.5)
    assert not workers()


@pytest.mark.slow
def test_processes_that_fail_say_why(tmp_path):
    with (
        pytest.raises(EngineError, match=r"in 2 processes failed: .*'/nowhere/x'"),
        trained_in_processes(TWO, PAIRS, job("/nowhere/x"), pytest.fail, pytest.fail),
    ):
        pass
    assert_all_end()


@pytest.mark.slow
def test_what_ends_the_training_early_ends_its_processes(backbone):  # noqa: F811
    def interrupt(metrics, step):
        assert workers()
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        trained_in_processes(TWO, PAIRS, job(backbone), interrupt, pytest.fail),
    ):
        pass
    assert_all_end()


@pytest.mark.slow
def test_processes_end_when_the_run_is_killed(backbone):  # noqa: F811
    values = job(backbone)
    values["config"]["steps"] = 100_000
    code = (
        "from tests.stages.test_finetune_processes import *\n"
        "show = lambda metrics, step: print(step, flush=True)\n"
        f"with trained_in_processes(TWO, PAIRS, {values!r}, show, lambda: None): pass\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        assert lines.readline() == "1\n"
        assert workers()
        parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert_all_end()
