"""Every family of transformers that scales embeddings, or reads ids in another way as well."""

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from domino.embedding import check_embeddings, embed_ids, forward_inputs, per_layer_body
from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling
from domino.shared_prefix import Text, domain_losses
from domino.soft_tokens import Vocabulary, initial_tokens, nearest_cosine, norm_ratio
from tests.domino.models import SIZES
from tests.tiny import make_tokenizer

MOE = {"num_local_experts": 2, "num_experts_per_tok": 1}
GEMMA4 = {"global_head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]}
DECODER = {
    "d_model": 32, "decoder_layers": 2, "encoder_layers": 1, "decoder_attention_heads": 4,
    "encoder_attention_heads": 4, "decoder_ffn_dim": 64, "encoder_ffn_dim": 64,
    "scale_embedding": True, "is_decoder": True,
}  # fmt: skip
SCALED = {
    "gemma": {}, "gemma2": {}, "gemma3_text": {}, "vaultgemma": {},
    "gemma3n_text": {
        "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 320, "laurel_rank": 4,
        "num_hidden_layers": 4, "num_kv_shared_layers": 2, "intermediate_size": [64] * 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {**GEMMA4, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 320},
    "gemma4_text without layers' own": {**GEMMA4, "hidden_size_per_layer_input": 0},
    "gemma4_unified_text": GEMMA4,
    "recurrent_gemma": {"lru_width": 32, "attention_window_size": 64, "num_hidden_layers": 3},
    "granite": {"embedding_multiplier": 6.0}, "granite_swa": {"embedding_multiplier": 6.0},
    "granitemoe": {"embedding_multiplier": 6.0, **MOE},
    "granitemoe_swa": {"embedding_multiplier": 6.0, **MOE},
    "granitemoeshared": {"embedding_multiplier": 6.0, "shared_intermediate_size": 32, **MOE},
    "granitemoehybrid": {
        "embedding_multiplier": 6.0, "shared_intermediate_size": 32, "mamba_n_heads": 8,
        "mamba_d_head": 8, "layer_types": ["attention", "attention"], **MOE,
    },
    "hyperclovax": {"embedding_multiplier": 6.0}, "hrm_text": {"embedding_scale": 6.0},
    "afmoe": {"mup_enabled": True, "num_experts": 2, "num_experts_per_tok": 1,
              "moe_intermediate_size": 32},
    "falcon_h1": {
        "embedding_multiplier": 6.0, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8,
        "mamba_d_state": 8, "mamba_n_groups": 1,
    },
    "ctrl": {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 64, "n_positions": 128},
    "big_bird": {"rescale_embeddings": True, "is_decoder": True,
                 "attention_type": "original_full"},
    "biogpt": {"scale_embedding": True},
    "xglm": {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4,
             "scale_embedding": True},
    "bart": DECODER, "mbart": DECODER, "plbart": DECODER, "pegasus": DECODER,
    "blenderbot": DECODER, "marian": DECODER, "bigbird_pegasus": DECODER, "trocr": DECODER,
}  # fmt: skip
IN_THE_LAYER = ("gemma", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "vaultgemma")


def made(name):
    """A frozen random model, no weight of which is 0 or 1."""
    torch.manual_seed(0)
    config: PreTrainedConfig = CONFIG_MAPPING[name.split()[0]](
        **{**SIZES, "head_dim": 8, **SCALED.get(name, DECODER)}
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.1, 0.2)
    return model.eval().requires_grad_(False)


def text_start(model, ids):
    """Soft tokens that start as a text."""
    how = torch.Generator()
    return initial_tokens(Vocabulary(model), len(ids), "text", how, ids.tolist())


IDS = torch.arange(11) * 27 % 300 + 5


@pytest.mark.parametrize("name", SCALED)
def test_embeddings_in_the_place_of_ids_give_the_same_logits(name):
    model = made(name)
    want = model(input_ids=IDS[None], use_cache=False).logits
    inputs = forward_inputs(model, embed_ids(model, IDS[None]), IDS[None])
    torch.testing.assert_close(model(**inputs, use_cache=False).logits, want)
    check_embeddings(model)


@pytest.mark.parametrize("name", SCALED)
def test_a_text_start_is_that_text_to_the_model_and_to_its_losses(name):
    model = made(name)
    if per_layer_body(model) is not None:
        pytest.skip("a soft token stands for padding in the layers' own tables")
    domain_PH = text_start(model, IDS[:6])
    logits_LV = model(input_ids=IDS[None], use_cache=False).logits[0, 5:-1]
    want = torch.nn.functional.cross_entropy(logits_LV, IDS[6:])
    loss_B = domain_losses(model, domain_PH, [Text(IDS[6:])])
    torch.testing.assert_close(loss_B[0], want)


@pytest.mark.parametrize("name", SCALED)
def test_soft_tokens_start_at_the_norm_of_real_inputs(name):
    model = made(name)
    vocabulary = Vocabulary(model)
    every = text_start(model, torch.arange(vocabulary.size))
    assert norm_ratio(every, vocabulary) == pytest.approx(1)
    assert nearest_cosine(every[:5], vocabulary) == pytest.approx(1)
    layer = model.get_input_embeddings()
    scaled = float(layer(IDS).norm() / layer.weight[IDS].norm())
    assert scaled == pytest.approx(32**0.5 if name in IN_THE_LAYER else scaled, rel=0.01)
    assert norm_ratio(layer.weight, vocabulary) == pytest.approx(
        float(
            layer.weight.norm(dim=-1).mean()
            / embed_ids(model, torch.arange(320)).norm(dim=-1).mean()
        )
    )


@pytest.mark.parametrize("name", [*IN_THE_LAYER[:3], "granite", "falcon_h1"])
def test_an_engine_continues_a_text_start_as_it_continues_the_text(name):
    tokenizer = make_tokenizer()
    model = made(name)
    engine = TransformersEngine(model, tokenizer)
    text = "Keep the even numbers"
    ids = torch.tensor(tokenizer(text)["input_ids"])
    soft = SoftPrompt(embeds_PH=text_start(model, ids[:4]), text="")
    sampling = Sampling(temperature=0.0, max_new_tokens=5)
    whole = tokenizer.decode(ids[:4])
    made_texts = engine.generate(
        [Request(prompt=soft, seed=0), Request(prompt=whole, seed=0)], sampling
    )
    want = model.generate(ids[None, :4], max_new_tokens=5, do_sample=False, pad_token_id=0)
    expected = tokenizer.decode(want[0, 4:], skip_special_tokens=False)
    assert made_texts[0].text == made_texts[1].text
    assert expected.startswith(made_texts[0].text)


def test_gemma_3n_reads_soft_tokens_as_padding_in_its_layers_own_tables():
    model = made("gemma3n_text")
    soft_PH = text_start(model, IDS[:3])
    embeds = torch.cat([soft_PH, embed_ids(model, IDS[3:])])[None]
    tables = per_layer_body(model).get_per_layer_inputs
    own = torch.cat([torch.zeros(3, dtype=torch.long), IDS[3:]])
    want = model(inputs_embeds=embeds, per_layer_inputs=tables(own[None]), use_cache=False).logits
    inputs = forward_inputs(model, embeds, IDS[None, 3:])
    torch.testing.assert_close(model(**inputs, use_cache=False).logits, want)


def test_a_model_that_scales_ids_alone_is_refused_in_one_line():
    with pytest.raises(EngineError, match="MvpForCausalLM treats embeddings differently") as caught:
        check_embeddings(made("mvp"))
    assert "\n" not in str(caught.value)
