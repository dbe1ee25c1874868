"""Fine-tuning in two processes that talk through gloo, against one: the same steps."""


import pytest
import torch
from safetensors.torch import load_file

from benchmarks.stages.context import Metrics
from benchmarks.stages.finetune import FinetuneConfig
from benchmarks.stages.launching import AccelerateConfig
from benchmarks.stages.shares import SharedBatches
from domino.distributed import World
from tests.stages.small import synthetic
from tests.stages.test_finetune import backbone, context, trained  # noqa: F401

CONFIG = FinetuneConfig(rank=4, alpha=8, steps=6, batch_size=4, max_tokens=400, learning_rate=1e-2)
PAIRS = [synthetic(n, response="x = 1\n" * (1 + 5 * n)) for n in range(7)]
"""Seven pairs: each epoch ends with a batch of three. The longest response has 31 times the words
of the shortest, so that a mean over processes is not one over tokens."""
TWO = AccelerateConfig(processes=2)


class Together(World):
    """One of several processes, with the order that the first one drew."""

    def from_first(self, make):
        return make()


def shares(count, *, size, batch, micro):
    return [
        list(SharedBatches(range(count), count, world=Together(rank, size), batch=batch,
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
def test_two_processes_give_the_curve_and_the_adapter_of_one(backbone, tmp_path):  # noqa: F811
    alone = trained(tmp_path / "one", backbone, PAIRS, CONFIG)
    logged = []
    together = trained(
        tmp_path / "two", backbone, PAIRS, CONFIG, accelerate=TWO,
        log=lambda values, step: logged.append((step, values)),
    )  # fmt: skip
    assert_same(together, alone)
    assert logged == [(step, values) for step, values in enumerate(curve(together), 1)]
