"""Soft tokens of the shipped backbone, in PEFT."""

import pytest
import torch

from benchmarks.suites.housestyle.backbone import CHECKPOINT
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.engines.transformers_engine import TransformersEngine
from domino.method import DominoConfig, DominoSynthesizer
from domino.records import Sampling
from domino.synthesizer import Domain, FitContext
from domino.turn import Turn


@pytest.mark.filterwarnings("ignore:Position ids are not supported")  # raised inside PEFT
def test_peft_generates_the_engines_greedy_tokens_from_the_adapter(tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    suite = HousestyleSuite("ledger", "compositions")
    engine = TransformersEngine.load(CHECKPOINT)
    context = FitContext(engine=engine, model=str(CHECKPOINT), seed=0)
    method = DominoSynthesizer(DominoConfig(domain_tokens=6, sample_tokens=2, steps=5))
    method.fit(Domain(references=suite.references()[:6], template=suite.template), context)
    method.save(tmp_path)
    loaded = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(str(CHECKPOINT)), str(tmp_path / "adapter")
    ).eval()
    turn = Turn.of(engine)
    ids = engine.tokenizer(turn.lead, add_special_tokens=False, return_tensors="pt")["input_ids"]
    output = loaded.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False,
        eos_token_id=sorted(engine.end_ids), pad_token_id=0,
    )  # fmt: skip
    text = engine.tokenizer.decode(output[0, ids.shape[1] :], clean_up_tokenization_spaces=False)
    record = next(method.synthesize(1, Sampling(temperature=0.0, max_new_tokens=40)))
    assert record.provenance.tokens == output.shape[1] - ids.shape[1]
    assert turn.instruction(text.partition(engine.end_of_turn)[0]) == record.instruction
