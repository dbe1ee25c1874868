"""The attention of a backbone: what can be asked for, and what decodes behind it.

That losses and gradients are exact behind eager and sdpa attention is in `test_shared_prefix`; the
others need a GPU for their backward pass: `test_attention_exact`.
"""

import importlib.util
import logging

import pytest
import torch

from domino.attention import attention_for_decoding, check_attention
from domino.backbone import load_backbone
from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.transformers_engine import TransformersEngine
from domino.passes.support import obstacle
from domino.records import Sampling
from domino.shared_prefix import loss_matrix
from tests.domino.models import family
from tests.domino.oracle import slow_matrix
from tests.domino.test_shared_prefix import CASES, case, relative
from tests.tiny import make_model, make_tokenizer

GREEDY = Sampling(temperature=0.0, max_new_tokens=6)


@pytest.fixture
def directory(tmp_path):
    tokenizer = make_tokenizer()
    make_model("qwen2", len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("asked", "found"), [("auto", "sdpa"), ("sdpa", "sdpa"), ("eager",) * 2])
def test_a_backbone_is_loaded_with_the_attention_that_was_asked_for(directory, asked, found):
    model, _ = load_backbone(directory, device="cpu", attention=asked)
    assert model.config._attn_implementation == found
    engine = TransformersEngine.load(directory, device="cpu", attention=asked)
    assert engine.model.config._attn_implementation == found


def test_an_unknown_attention_is_named_with_those_that_there_are(directory):
    with pytest.raises(EngineError, match="attention is 'flash': give one of 'auto', 'eager', 'sd"):
        load_backbone(directory, attention="flash")


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_attention_without_a_backward_pass_on_a_cpu_is_refused_there(directory, attention):
    message = f"attention is {attention!r} and the device 'cpu'.* give attention 'auto'"
    with pytest.raises(EngineError, match=message):
        load_backbone(directory, device="cpu", attention=attention)


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="it is installed")
def test_a_missing_package_is_named_with_how_to_install_it():
    with pytest.raises(EngineError, match=r"pip install flash-attn.*or give 'flex_attention'"):
        check_attention("flash_attention_2", "cuda:0")
    check_attention("flex_attention", "cuda:0")


def test_a_model_that_has_no_such_attention_is_refused_by_name(tmp_path):
    tokenizer = make_tokenizer()
    family("neox").save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(config.replace("gpt_neox", "codegen"), encoding="utf-8")
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(EngineError, match=r"with attention 'sdpa'.*or attention auto"):
        load_backbone(tmp_path, device="cpu", attention="sdpa")


def test_texts_are_decoded_in_slots_behind_an_attention_that_takes_no_masks(caplog):
    tokenizer = make_tokenizer()
    soft = torch.randn(3, 32, generator=torch.Generator().manual_seed(0)) * 0.3
    requests = [Request(prompt=SoftPrompt(embeds_PH=soft, text=t), seed=0) for t in ("Sort", "a b")]
    plain = TransformersEngine(make_model("qwen2", len(tokenizer)), tokenizer)
    flex = make_model("qwen2", len(tokenizer), attn_implementation="flex_attention")
    with caplog.at_level(logging.WARNING):
        texts = TransformersEngine(flex, tokenizer).generate(requests, GREEDY)
    assert texts == plain.generate(requests, GREEDY)
    assert "one by one" not in caplog.text
    assert flex.config._attn_implementation == "flex_attention"


def test_an_error_while_decoding_leaves_the_models_own_attention():
    flex = make_model("qwen2", attn_implementation="flex_attention")
    with pytest.raises(KeyError), attention_for_decoding(flex):
        assert flex.config._attn_implementation == "sdpa"
        raise KeyError
    assert flex.config._attn_implementation == "flex_attention"


@pytest.mark.slow  # compiles a kernel
@pytest.mark.filterwarnings("default")
def test_flex_attention_gives_the_losses_of_the_equations_on_a_cpu():
    model = make_model("qwen2", attn_implementation="flex_attention")
    assert obstacle(model) is None
    domain, sample, texts = case(*CASES[1])
    with torch.no_grad():
        got = loss_matrix(model, domain, sample, texts)
    want = slow_matrix(make_model("qwen2"), domain, sample, texts)
    assert all(relative(one, other) < 1e-5 for one, other in zip(got, want, strict=True))
