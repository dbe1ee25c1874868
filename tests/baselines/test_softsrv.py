import copy
import json
import math
from typing import Any, ClassVar

import pytest
import torch

from baselines.softsrv.config import SoftSRVConfig
from baselines.softsrv.method import SoftSRV
from baselines.softsrv.prompt import ContextualPrompt
from baselines.softsrv.training import contexts, train
from domino.engines.scripted import ScriptedEngine
from domino.fit_config import FittingError
from domino.records import Sampling
from domino.shared_prefix import Text, domain_losses
from domino.synthesizer import Domain, FitContext
from tests.contracts.synthesizer_contract import EngineAround, SynthesizerContract
from tests.domino import toy
from tests.tiny import make_vocabulary

FORMS = ["none", "mixture", "mlp"]


class TestContract(SynthesizerContract):
    method = "softsrv"
    options: ClassVar = {"prompt_tokens": 3, "steps": 3, "width": 4, "requests_per_call": 7}

    @pytest.fixture
    def engine(self, toy_engine):
        return toy_engine

    @pytest.fixture
    def context(self, engine, toy_directory):
        return FitContext(engine=engine, model=toy_directory, seed=11)

    @pytest.fixture
    def sampling(self):
        return Sampling(temperature=0.9, top_p=0.95, max_new_tokens=30, seed=11)


def fitted(engine, template="instruction", count=16, log=lambda metrics, step: None, **options):
    method = SoftSRV(SoftSRVConfig(**{"prompt_tokens": 4, "steps": 80, **options}))
    domain = Domain(references=toy.references("sky", count), template=template)
    method.fit(domain, FitContext(engine=engine, model="toy", seed=0, log=log))
    return method


def texts_of(tokenizer, count=8):
    """Instructions of one domain as texts, the opening marker given."""
    encoded = (
        tokenizer(f"<|user|>{reference.instruction}<|assistant|><|end|>")["input_ids"]
        for reference in toy.references("sky", count)
    )
    return [Text(torch.tensor(ids), given=1) for ids in encoded]


@pytest.mark.parametrize("form", FORMS)
def test_samples_are_tasks_of_the_references_domain(toy_engine, form):
    method = fitted(toy_engine, form=form, learning_rate=1e-2, evaluate_every=20)
    records = list(method.synthesize(96, Sampling(max_new_tokens=40)))
    in_domain = sum(toy.domain_of(record.instruction) == "sky" for record in records)
    assert in_domain > 72  # a third of 96 without soft tokens


@pytest.mark.parametrize("form", ["mixture", "mlp"])
def test_a_reference_is_better_told_by_its_own_prompt_than_by_another(trained, form):
    model, tokenizer = trained
    texts = texts_of(tokenizer)
    context_NH = contexts(model, texts)
    config = SoftSRVConfig(form=form, prompt_tokens=4, steps=120, learning_rate=1e-2, held_out=0)
    prompt_NPH = train(model, texts, context_NH, config, seed=0).prompt(context_NH).detach()
    loss_NN = torch.stack([domain_losses(model, prompt_PH, texts) for prompt_PH in prompt_NPH])
    own = loss_NN.diagonal().mean()
    others = (loss_NN.sum() - loss_NN.trace()) / (loss_NN.numel() - len(texts))
    assert own < others - 0.3


def test_contexts_are_mean_last_states_standardised_over_the_references(trained):
    model, tokenizer = trained
    texts = texts_of(tokenizer, 5)
    means = []
    for text in texts:
        output = model(input_ids=text.ids_L[None], output_hidden_states=True)
        states = output.hidden_states[-1][0, 1:]
        means.append([float(column.sum()) / len(column) for column in states.T])
    found = contexts(model, texts)
    for column, values in enumerate(zip(*means, strict=True)):
        mean = sum(values) / 5
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 5)
        expected = [(value - mean) / deviation for value in values]
        assert found[:, column].tolist() == pytest.approx(expected, abs=1e-3)


def test_a_mixture_is_a_convex_sum_of_prompts_weighed_by_the_context():
    torch.manual_seed(0)
    config = SoftSRVConfig(form="mixture", prompt_tokens=2, prompts=3)
    prompt = ContextualPrompt(config, make_vocabulary(torch.randn(20, 5)), seed=1)
    context_BH = torch.randn(4, 5)
    scores = context_BH @ prompt.network.weight.T + prompt.network.bias
    for row, found in enumerate(prompt(context_BH)):
        weights = [math.exp(score) for score in scores[row].tolist()]
        expected = sum(
            weight / sum(weights) * part
            for weight, part in zip(weights, prompt.prompt_KPH, strict=True)
        )
        assert torch.allclose(found, expected, atol=1e-6)


def test_without_a_context_all_prompts_are_one():
    config = SoftSRVConfig(form="none", prompt_tokens=2)
    prompts = ContextualPrompt(config, make_vocabulary(torch.randn(20, 5)), seed=1)(
        torch.randn(3, 5)
    )
    assert torch.equal(prompts[0], prompts[1])
    assert prompts.shape == (3, 2, 5)


@pytest.mark.parametrize("form", FORMS)
def test_prompts_start_from_rows_of_the_vocabulary(form):
    table = torch.randn(20, 5)
    prompt = ContextualPrompt(
        SoftSRVConfig(form=form, prompt_tokens=2), make_vocabulary(table), seed=1
    )
    rows = {tuple(row) for row in table.tolist()}
    assert {tuple(row) for row in prompt.prompt_KPH.flatten(0, 1).tolist()} <= rows
    if form != "mixture":
        assert torch.equal(prompt(torch.randn(1, 5))[0], prompt.prompt_KPH[0])


def test_a_start_leaves_the_global_random_numbers_alone():
    before = torch.get_rng_state()
    table = torch.randn(20, 5, generator=torch.Generator())
    ContextualPrompt(SoftSRVConfig(), make_vocabulary(table), seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_references_take_turns_as_contexts_and_as_parents(toy_engine):
    spy = EngineAround(toy_engine)
    method = fitted(toy_engine, count=5, steps=2)
    method._fitted = (method.domain, FitContext(engine=spy, model="toy", seed=0))
    records = list(method.synthesize(10, Sampling(max_new_tokens=4)))
    ids = [reference.id for reference in method.domain.references]
    assert [record.provenance.parents for record in records] == [(name,) for name in ids * 2]
    behind = [request.prompt.embeds_PH for request in spy.requests]
    assert all(behind[n] is behind[n + 5] for n in range(5))
    assert len({tuple(prompt.flatten().tolist()) for prompt in behind}) == 5


def test_without_a_context_samples_have_no_parents(toy_engine):
    records = fitted(toy_engine, form="none", steps=2).synthesize(3, Sampling(max_new_tokens=4))
    assert {record.provenance.parents for record in records} == {()}


def test_the_step_with_the_lowest_held_out_loss_is_kept(toy_engine, tmp_path):
    rows: dict[int, Any] = {}
    method = fitted(
        toy_engine, steps=60, evaluate_every=10, learning_rate=3e-2,
        log=lambda metrics, step: rows.setdefault(step, metrics),
    )  # fmt: skip
    held_out = {step: row["held_out"] for step, row in rows.items() if "held_out" in row}
    assert list(held_out) == [10, 20, 30, 40, 50, 60]
    method.save(tmp_path)
    learned = json.loads((tmp_path / "method.json").read_text())["learned"]
    best = min(held_out, key=held_out.__getitem__)
    assert learned == {"step": best, "held_out_loss": held_out[best]}


def test_responses_belong_to_their_instructions(toy_engine):
    method = fitted(toy_engine, "pair")
    asked = toy.instructions("sky")[:12]
    answers = method.respond(asked, Sampling(temperature=0.0, max_new_tokens=40))
    right = sum(answer == toy.response(text) for answer, text in zip(answers, asked, strict=True))
    assert right >= 8


def test_any_engine_can_serve_a_fit_whose_backbone_lies_in_a_directory(toy_directory):
    engine = ScriptedEngine(lambda request: "Sort the odd stars")
    method = SoftSRV(SoftSRVConfig(prompt_tokens=3, steps=2))
    context = FitContext(engine=engine, model=toy_directory, seed=0)
    method.fit(Domain(references=toy.references("sky", 4)), context)
    assert [r.instruction for r in method.synthesize(2, Sampling())] == ["Sort the odd stars"] * 2


def test_a_backbone_that_would_learn_is_refused(trained):
    model, tokenizer = trained
    texts = texts_of(tokenizer, 4)
    thawed = copy.deepcopy(model).requires_grad_(True)
    with pytest.raises(FittingError, match="requires a gradient"):
        train(thawed, texts, contexts(model, texts), SoftSRVConfig(steps=1), seed=0)


def test_a_loss_that_is_not_finite_is_refused_with_the_remedy(trained):
    model, tokenizer = trained
    texts = texts_of(tokenizer, 4)
    context_NH = contexts(model, texts) * math.nan
    with pytest.raises(FittingError, match="is nan at step 1: lower learning_rate"):
        train(model, texts, context_NH, SoftSRVConfig(steps=1), seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "linear"}, "form is 'linear': give none, mixture or mlp"),
        ({"steps": 0}, "steps is 0: give at least 1"),
        ({"learning_rate": 0}, "learning_rate is 0: give a number above 0"),
        ({"clip_norm": math.inf}, "clip_norm is inf: give a number above 0"),
        ({"held_out": 1}, "held_out is 1: give a share from 0 to below 1"),
    ],
)
def test_options_that_no_fit_can_follow_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SoftSRVConfig(**options)
