"""Tiny random models of several families, beside those of `tests.tiny`."""

import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    MambaConfig,
    MistralConfig,
    PhiConfig,
)

from tests.tiny import make_model

SIZES = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": 4, "pad_token_id": 0,
}  # fmt: skip
FAMILIES = {
    "gpt2": lambda: GPT2Config(
        vocab_size=320, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3,
        bos_token_id=4, eos_token_id=4,
    ),
    "neox": lambda: GPTNeoXConfig(**SIZES),
    "mistral": lambda: MistralConfig(**SIZES, sliding_window=None),
    "gemma2": lambda: Gemma2Config(**SIZES, head_dim=8, final_logit_softcapping=3.0),
    "cohere": lambda: CohereConfig(**SIZES, logit_scale=0.25),
    "granite": lambda: GraniteConfig(**SIZES, logits_scaling=4.0),
    "phi": lambda: PhiConfig(**SIZES),  # its head has a bias
    "window": lambda: MistralConfig(**SIZES, sliding_window=8),
    "mamba": lambda: MambaConfig(
        vocab_size=320, hidden_size=32, state_size=4, num_hidden_layers=2, use_mambapy=False
    ),
}  # fmt: skip


def family(name, attention="sdpa", **changes):
    """A frozen random model; `changes` are for the families of `tests.tiny`."""
    if name in ("qwen2", "llama"):
        return make_model(name, attn_implementation=attention, **changes)
    torch.manual_seed(0)
    config = FAMILIES[name]()
    attention = "eager" if name == "mamba" else attention
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    head = model.get_output_embeddings()
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
    return model.eval().requires_grad_(False)
