import dataclasses
import hashlib
import json
import warnings
from typing import ClassVar

import pytest

from domino.engines.scripted import ScriptedEngine
from domino.engines.transformers_engine import TransformersEngine
from domino.fit_card import FitCard
from domino.method import DominoConfig, DominoSynthesizer
from domino.records import Reference, Sampling
from domino.soft_tokens import SoftTokensError
from domino.synthesizer import Domain, FitContext, SynthesisError
from domino.turn import Turn
from tests.contracts.synthesizer_contract import SynthesizerContract
from tests.domino import toy
from tests.tiny import make_model, make_tokenizer

FITTED = DominoConfig(
    domain_tokens=4, sample_tokens=2, steps=80, learning_rate=2e-2, evaluate_every=20
)
EXAMPLE = Reference(id="r", instruction="Sort it", response="sorted(it)")


class TestDomino(SynthesizerContract):
    method = "domino"
    options: ClassVar = {"domain_tokens": 3, "sample_tokens": 2, "steps": 3, "requests_per_call": 7}

    @pytest.fixture
    def engine(self, toy_engine):
        return toy_engine

    @pytest.fixture
    def context(self, engine, toy_directory):
        return FitContext(engine=engine, model=toy_directory, seed=11)

    @pytest.fixture
    def sampling(self):
        return Sampling(temperature=0.9, top_p=0.95, max_new_tokens=30, seed=11)


@pytest.fixture(scope="module", params=["instruction", "pair"])
def fitted(request, toy_engine):
    method = DominoSynthesizer(FITTED)
    domain = Domain(references=toy.references("sky", 16), template=request.param)
    method.fit(domain, FitContext(engine=toy_engine, model="toy", seed=0))
    return method


def test_samples_are_new_tasks_of_the_references_domain(fitted):
    records = list(fitted.synthesize(200, Sampling(max_new_tokens=40)))
    domains = [toy.domain_of(record.instruction) for record in records]
    assert domains.count("sky") > 150  # a third of 200 without the soft tokens
    seen = {reference.instruction for reference in toy.references("sky", 16)}
    fresh = {record.instruction for record in records} - seen
    assert sum(toy.domain_of(text) == "sky" for text in fresh) > 10


def test_without_fitted_tokens_samples_come_from_every_domain(toy_engine):
    method = DominoSynthesizer(DominoConfig(domain_tokens=4, steps=1, learning_rate=1e-9))
    domain = Domain(references=toy.references("sky", 16))
    method.fit(domain, FitContext(engine=toy_engine, model="toy", seed=0))
    records = list(method.synthesize(200, Sampling(max_new_tokens=40)))
    assert sum(toy.domain_of(record.instruction) == "sky" for record in records) < 100


def test_responses_belong_to_their_instructions(fitted):
    asked = toy.instructions("sky")[:12]
    answers = fitted.respond(asked, Sampling(temperature=0.0, max_new_tokens=40))
    right = sum(answer == toy.response(text) for answer, text in zip(answers, asked, strict=True))
    assert right >= 9


def test_only_the_instruction_is_sampled_and_its_markers_are_cut(fitted):
    for record in fitted.synthesize(50, Sampling(max_new_tokens=40)):
        assert record.response is None
        assert "<|" not in record.instruction
        assert record.instruction == record.instruction.strip()


def test_the_adapter_loads_in_peft_and_continues_as_the_engine_does(fitted, tmp_path, trained):
    import torch
    from peft import PeftModel

    fitted.save(tmp_path)
    model, tokenizer = trained
    shape = {**model.config.to_dict(), "initializer_range": 0.02}
    fresh = type(model)(type(model.config)(**shape))
    fresh.load_state_dict(model.state_dict())
    loaded = PeftModel.from_pretrained(fresh, str(tmp_path / "adapter")).eval()
    ids = torch.tensor([tokenizer("<|user|>")["input_ids"]])
    logits = loaded(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1]
    record = next(fitted.synthesize(1, Sampling(temperature=0.0, max_new_tokens=1)))
    assert tokenizer.decode([int(logits.argmax())]).strip() == record.instruction


def test_the_card_says_where_the_tokens_come_from(fitted, tmp_path):
    fitted.save(tmp_path)
    card = json.loads((tmp_path / "domino.json").read_text())
    assert card["config"] == dataclasses.asdict(FITTED)
    assert card["references"] == {
        reference.id: hashlib.sha256(reference.to_json().encode()).hexdigest()
        for reference in toy.references("sky", 16)
    }
    assert [row["step"] for row in card["curve"]] == [20, 40, 60, 80]
    page = (tmp_path / "adapter" / "README.md").read_text()
    for text in (*card["references"].values(), "| learning_rate | 0.02 |", "<|user|>"):
        assert text in page
    assert f"{card['curve'][0]['held_out']:.5g}" in page


def test_the_code_on_the_card_loads_the_tokens(fitted, tmp_path, toy_directory):
    fitted.save(tmp_path)
    card = FitCard.from_json((tmp_path / "domino.json").read_text())
    page = dataclasses.replace(card, model=toy_directory).markdown()
    code = page.partition("```python\n")[2].partition("```")[0]
    code = code.replace("do_sample=True, max_new_tokens=256", "do_sample=False, max_new_tokens=30")
    found = {"DIRECTORY": str(tmp_path / "adapter")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Position ids are not supported")  # raised inside PEFT
        exec(code, found)
    text = found["tokenizer"].decode(found["output"][0, 1:], skip_special_tokens=False)
    record = next(fitted.synthesize(1, Sampling(temperature=0.0, max_new_tokens=30)))
    assert text.partition("<|assistant|>")[0].strip() == record.instruction


def test_findings_are_those_of_the_step_that_is_kept_and_outlive_a_load(fitted, tmp_path):
    fitted.save(tmp_path)
    found = fitted.findings()
    assert {"step", "held_out", "swap_gap", "norm_ratio", "nearest_cosine"} <= set(found)
    loaded = DominoSynthesizer.load(tmp_path, fitted._context)
    assert loaded.findings() == found


def test_a_fit_looks_at_samples_where_it_is_told_how_they_are_drawn(toy_engine):
    def copy_rates(references, sampling):
        rows = []
        context = FitContext(
            engine=toy_engine, model="toy", seed=0, sampling=sampling,
            log=lambda metrics, step: rows.append(metrics),
        )  # fmt: skip
        config = dataclasses.replace(FITTED, steps=40, guard_samples=30, held_out=0.0)
        method = DominoSynthesizer(config)
        method.fit(Domain(references=references), context)
        return [row["copy_rate"] for row in rows if "copy_rate" in row]

    sampling = Sampling(temperature=0.7, max_new_tokens=40)
    every_task = tuple(
        Reference(id=text, instruction=text) for domain in toy.NOUNS
        for text in toy.instructions(domain)
    )  # fmt: skip
    assert min(copy_rates(every_task, sampling)) > 0.8
    assert max(copy_rates(toy.references("sky", 4), sampling)) < 0.5
    assert copy_rates(every_task, None) == []


def test_every_step_is_logged(toy_engine):
    rows = []
    context = FitContext(
        engine=toy_engine, model="toy", seed=0, log=lambda metrics, step: rows.append(step)
    )
    DominoSynthesizer(DominoConfig(steps=3)).fit(
        Domain(references=toy.references("sky", 4)), context
    )
    assert rows == [1, 2, 3]


@pytest.mark.parametrize(
    ("style", "lead", "instruction", "pair"),
    [
        (
            "marker", "<|user|>",
            "Sort it<|assistant|><|end|>",
            "Sort it<|assistant|>sorted(it)<|end|>",
        ),
        (
            "im", "<|im_start|>user\n",
            "Sort it<|im_end|>",
            "Sort it<|im_end|>\n<|im_start|>assistant\nsorted(it)<|im_end|>",
        ),
    ],
)  # fmt: skip
def test_the_template_is_taken_from_the_tokenizer(style, lead, instruction, pair):
    turn = Turn.of(TransformersEngine(make_model(), make_tokenizer(style)))
    assert turn.lead == lead
    assert turn.after_lead(EXAMPLE, "instruction") == instruction
    assert turn.after_lead(EXAMPLE, "pair") == pair


def test_what_is_sampled_is_cut_at_the_end_of_the_user_turn():
    turn = Turn(lead="<|user|>", separator="\n### Answer:\n", end="</s>")
    assert turn.instruction(" Sort it\n### Answer:\nsorted") == "Sort it"
    assert Turn(lead="", separator=" ", end="</s>").instruction("Sort it ") == "Sort it"


def test_nothing_is_sampled_before_a_fit():
    method = DominoSynthesizer()
    with pytest.raises(SynthesisError, match="call fit or load first"):
        next(method.synthesize(1, Sampling()))
    with pytest.raises(SynthesisError, match="call fit or load first"):
        method.respond(["x"], Sampling())


def test_a_directory_that_holds_no_fit_is_refused(tmp_path, toy_engine):
    context = FitContext(engine=toy_engine, model="toy", seed=0)
    with pytest.raises(SynthesisError, match="does not hold a fitted domino"):
        DominoSynthesizer.load(tmp_path, context)


def test_tokens_of_another_backbone_are_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    narrow = TransformersEngine(make_model(), make_tokenizer())
    with pytest.raises(SoftTokensError, match=r"shape \(4, 64\) for 'toy'; .* 32 wide"):
        DominoSynthesizer.load(tmp_path, FitContext(engine=narrow, model="x", seed=0))


def test_any_engine_can_serve_a_fit_whose_backbone_lies_in_a_directory(toy_directory):
    engine = ScriptedEngine(lambda request: "Sort the odd stars")
    method = DominoSynthesizer(DominoConfig(domain_tokens=3, steps=2))
    context = FitContext(engine=engine, model=toy_directory, seed=0)
    method.fit(Domain(references=toy.references("sky", 4)), context)
    records = list(method.synthesize(2, Sampling()))
    assert [record.instruction for record in records] == ["Sort the odd stars"] * 2
    assert engine.requests[0].prompt.embeds_PH.shape == (3, 64)
    assert engine.requests[0].prompt.embeds_PH is engine.requests[1].prompt.embeds_PH
