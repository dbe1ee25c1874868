import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import torch
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from benchmarks.stages.context import StageContext
from benchmarks.stages.curves import Metrics
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetune import check, run
from benchmarks.stages.finetuning.config import AccelerateConfig, FinetuneConfig
from benchmarks.stages.finetuning.pairs import training_pairs
from benchmarks.stages.finetuning.trainer import make_trainer
from benchmarks.store.store import Stage
from benchmarks.suites.protocol import PLAIN
from domino.backbone import load_backbone
from domino.engines.chat import render_chat, turn_end_token
from domino.engines.openai_engine import OpenaiEngine
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Reference, Sampling
from domino.synthesizer import plain_responses
from tests.stages.small import (
    SmallSuite,
    assert_same_after_every_kill,
    files,
    fresh,
    solution,
    source,
    synthetic,
)
from tests.tiny import make_model, make_tokenizer

CONFIG = FinetuneConfig(rank=4, alpha=8, steps=4, batch_size=2, max_tokens=100)
PAIRS = [synthetic(n, response=solution(n)) for n in range(5)]


def made(directory, style):
    tokenizer = make_tokenizer(style)
    tokenizer.save_pretrained(directory)
    make_model(vocabulary=len(tokenizer)).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The directory of a tiny model."""
    return made(tmp_path_factory.mktemp("backbone"), "marker")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def load_engine(model, adapter):
    return TransformersEngine.load(model, adapter=adapter)


def context(backbone, **changes):
    return StageContext(
        **{
            "suite": SmallSuite(),
            "model": str(backbone),
            "seed": 0,
            "sandbox": None,
            "make_engine": load_engine,
            **changes,
        }
    )


def trained(root, backbone, pairs=PAIRS, config=CONFIG, references=(), **changes) -> Stage:
    stage = fresh(root, "finetune")
    inputs = source(root, "kept.jsonl", pairs)
    run(config, inputs, references, stage, context(backbone, **changes))
    return stage


def test_references_are_trained_on_beside_the_pairs_but_for_those_that_are_pairs(
    tmp_path, backbone
):
    references = SmallSuite().references()
    stage = trained(tmp_path / "both", backbone, references=references)
    assert (stage.summary["kept"], stage.summary["references"]) == (5, 4)
    plain = trained(tmp_path / "plain", backbone)
    assert "references" not in plain.summary
    assert files(stage)["losses.jsonl"] != files(plain)["losses.jsonl"]
    same = [synthetic(21, response=solution(21))]
    assert (
        trained(tmp_path / "same", backbone, same, references=references).summary["references"] == 3
    )
    assert not trained(tmp_path / "none", backbone, [], references=references).summary["adapter"]


def test_references_without_responses_are_refused_before_training():
    bare = [Reference(id="r", instruction="x")]
    with pytest.raises(StageError, match="1 of 1 have none"):
        check(replace(CONFIG, references=True), AccelerateConfig(), bare)
    check(CONFIG, AccelerateConfig(), bare)


def test_a_curve_that_a_crash_cut_short_is_trained_again(tmp_path, backbone):
    whole = trained(tmp_path / "whole", backbone)
    cut = fresh(tmp_path / "cut", "finetune")

    def crash(summary):
        raise KeyboardInterrupt

    cut.finish = crash
    pairs = source(tmp_path / "cut", "kept.jsonl", PAIRS)
    with pytest.raises(KeyboardInterrupt), cut.writing():
        run(CONFIG, pairs, (), cut, context(backbone))
    losses = cut.path / "losses.jsonl"
    losses.write_bytes(losses.read_bytes()[:-30])
    again = fresh(tmp_path / "cut", "finetune")
    with again.writing():
        run(CONFIG, pairs, (), again, context(backbone))
    assert files(again) == files(whole)
    assert again.digests == whole.digests


@pytest.mark.parametrize("style", ["marker", "im"])
def test_only_the_response_and_its_end_of_turn_carry_loss(style, tmp_path):
    model, tokenizer = load_backbone(made(tmp_path, style))
    pairs = training_pairs(PAIRS, PLAIN, tokenizer)
    trainer = make_trainer(CONFIG, pairs, model, tokenizer, seed=0, scratch=tmp_path)
    batches = list(trainer.get_train_dataloader())
    rows = [
        (ids, labels)
        for batch in batches
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True)
    ]
    assert len(rows) == len(PAIRS)
    for ids, labels in rows:
        learned = tokenizer.decode(ids[labels != -100])
        prompt = tokenizer.decode(ids[: int((labels != -100).nonzero()[0])])
        response = learned.partition(turn_end_token(tokenizer))
        assert prompt in {
            render_chat(tokenizer, [{"role": "user", "content": pair.instruction}])
            for pair in PAIRS
        }
        assert response[0] in {pair.response for pair in PAIRS}
        assert response[1] == turn_end_token(tokenizer)
        assert torch.equal(labels[labels != -100], ids[labels != -100])


def test_one_seed_gives_one_adapter(backbone, tmp_path):
    logged = []
    first = trained(tmp_path / "a", backbone)
    second = trained(
        tmp_path / "b", backbone, log=lambda values, step: logged.append((step, values))
    )
    other = trained(tmp_path / "c", backbone, seed=1)
    name = "adapter/adapter_model.safetensors"
    assert first.digests == second.digests
    assert first.digests[name] != other.digests[name]
    points = second.read("losses.jsonl", Metrics)
    assert [(point.step, point.values) for point in points] == logged
    assert [point.step for point in points] == [1, 2, 3, 4]


def test_training_learns_the_pairs(backbone, tmp_path):
    config = FinetuneConfig(rank=16, alpha=32, learning_rate=1e-2, steps=40, batch_size=1)
    pair = synthetic(0, response="return sum")
    stage = trained(tmp_path, backbone, [pair], config)
    losses = [point.values["loss"] for point in stage.read("losses.jsonl", Metrics)]
    assert losses[-1] < 0.1 * losses[0]
    engine = TransformersEngine.load(backbone, adapter=stage.path / "adapter")
    greedy = Sampling(temperature=0.0, max_new_tokens=20)
    assert plain_responses(engine, [pair.instruction], greedy) == ["return sum"]


def test_the_number_of_pairs_does_not_change_the_number_of_steps(backbone, tmp_path):
    few = trained(tmp_path / "few", backbone, PAIRS[:1])
    assert few.summary["steps"] == 4
    assert len(few.read("losses.jsonl", Metrics)) == 4


def test_micro_batches_add_up_to_the_batch(backbone, tmp_path):
    """Equal to rounding: the loss of a step is the mean over all its tokens either way."""
    whole = trained(tmp_path / "whole", backbone, PAIRS[:4], FinetuneConfig(steps=2, batch_size=4))
    micro = trained(
        tmp_path / "micro",
        backbone,
        PAIRS[:4],
        FinetuneConfig(steps=2, batch_size=4, micro_batch_size=2),
    )
    losses = [
        [point.values["loss"] for point in stage.read("losses.jsonl", Metrics)]
        for stage in (whole, micro)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_over_long_pairs_are_dropped_and_counted(backbone, tmp_path):
    long = synthetic(9, response="x = 1\n" * 100)
    stage = trained(tmp_path, backbone, [*PAIRS, long])
    assert stage.summary["in"] == 6
    assert stage.summary["kept"] == 5
    assert stage.summary["dropped"] == {"over-long": 1}


@pytest.mark.parametrize("pairs", [[], [synthetic(9, response="x = 1\n" * 100)]])
def test_nothing_to_train_on_gives_no_adapter(backbone, tmp_path, pairs):
    stage = trained(tmp_path, backbone, pairs)
    assert not (stage.path / "adapter").exists()
    assert stage.summary["adapter"] is False
    assert stage.summary["steps"] == 0


def test_a_pair_without_a_response_is_refused(backbone, tmp_path):
    with pytest.raises(StageError, match="'s1' has no response"):
        trained(tmp_path, backbone, [synthetic(1)])


def test_a_kill_at_any_step_changes_nothing(backbone, tmp_path):
    inputs = source(tmp_path, "kept.jsonl", [*PAIRS, synthetic(9, response="x = 1\n" * 100)])
    whole = assert_same_after_every_kill(
        tmp_path, "finetune", lambda stage: run(CONFIG, inputs, (), stage, context(backbone))
    )
    assert files(whole)["losses.jsonl"].count(b"\n") == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"rank": 0},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"warmup_share": 1.0},
        {"dropout": -0.1},
        {"batch_size": 16, "micro_batch_size": 5},
    ],
)
def test_a_recipe_that_cannot_train_is_refused(changes):
    with pytest.raises(StageError, match=list(changes)[-1]):
        FinetuneConfig(**changes)


def test_a_base_model_is_trained_with_the_plain_template(tmp_path):
    tokenizer = make_tokenizer("marker")
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "bare")
    make_model(vocabulary=len(tokenizer)).save_pretrained(tmp_path / "bare")
    assert trained(tmp_path, tmp_path / "bare").summary["adapter"]


DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today: {{ date_string }}\n"
)
"""As Llama's templates begin."""


class Day:
    """A clock of chat templates, which stands."""

    def __init__(self, number):
        self._date = datetime(2031, 1, number, tzinfo=UTC)

    def now(self):
        return self._date


@pytest.fixture(scope="module")
def dated(backbone, tmp_path_factory):
    """The directory of a tiny model whose chat template writes today's date."""
    folder = shutil.copytree(backbone, tmp_path_factory.mktemp("dated") / "model")
    template = folder / "chat_template.jinja"
    template.write_text(DATED + template.read_text())
    return folder


def test_a_template_that_writes_the_date_gives_the_same_text_and_training_on_every_day(
    dated, tmp_path, monkeypatch
):
    found = []
    for number in (1, 2):
        monkeypatch.setattr(chat_template_utils, "datetime", Day(number))
        stage = trained(tmp_path / str(number), dated)
        message = [{"role": "user", "content": "x"}]
        engines = [TransformersEngine.load(str(dated)), OpenaiEngine(dated)]
        found.append([files(stage), *(engine.render(message) for engine in engines)])
        assert engines[0].tokenizer.apply_chat_template(message, tokenize=False) in found[0][1]
    assert found[0] == found[1]
    assert found[0][1].startswith("Today: 26 Jul 2024\n")
    assert render_chat(AutoTokenizer.from_pretrained(dated), message) == found[0][1]


def test_accelerates_environment_does_not_change_the_training(tmp_path, backbone, monkeypatch):
    plain = trained(tmp_path / "plain", backbone)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert files(trained(tmp_path / "set", backbone)) == files(plain)
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "bf16"
