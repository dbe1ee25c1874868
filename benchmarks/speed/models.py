"""Random models in given shapes, a tokenizer for them, and a batch of random references."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.planning.flops import ModelShape
from benchmarks.speed.plans import ModelPlacement
from domino.backbone import freeze
from domino.shared_prefix import Text


def random_model(shape: ModelShape, place: ModelPlacement, positions: int) -> Any:
    """Return a frozen Qwen2 model of the shape with random weights."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=positions,
        tie_word_embeddings=shape.tied,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    with torch.device(place.device):
        model = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, place.dtype), attn_implementation=place.attention
        )
    return freeze(model)


def random_batch(
    model: Any, domain: int, sample: int, lengths: list[int]
) -> tuple[torch.Tensor, torch.Tensor, list[Text]]:
    """Return domain tokens [P, H], sample tokens [B, Q, H] and texts, equal for equal arguments."""
    generator = torch.Generator().manual_seed(0)
    width, vocabulary = model.config.hidden_size, model.config.vocab_size

    def tokens(*shape: int) -> torch.Tensor:
        drawn = 0.02 * torch.randn(*shape, width, generator=generator)
        return drawn.to(model.device).requires_grad_()

    texts = [
        Text(torch.randint(vocabulary, (length,), generator=generator).to(model.device))
        for length in lengths
    ]
    return tokens(domain), tokens(len(lengths), sample), texts


def word_tokenizer(vocabulary: int) -> Any:
    """Return a tokenizer whose token n is the word "wn"."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{index}": index for index in range(vocabulary)}
    raw = Tokenizer(models.WordLevel(words, unk_token="w0"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="w1", pad_token="w0")
