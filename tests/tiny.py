"""Tiny random models and tokenizers, made in seconds and without a network."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from domino.soft_tokens import Vocabulary

SPECIALS = ["<|pad|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
IM_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "Keep the even numbers, add 3 to each, and return the sum of the list.",
    "Sort the numbers and return the first 4. one two three four five six seven eight",
    "def solve(values):\n    return sum(v + 3 for v in values if v % 2 == 0)\n",
]


def make_tokenizer(
    style: str = "marker", pieces: int = 320, corpus: Sequence[str] = CORPUS
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer; `style` is "marker" (a user turn ends with <|assistant|>) or
    "im" (every turn ends with <|im_end|> and a line break)."""
    specials = SPECIALS if style == "marker" else ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=pieces,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<|pad|>",
        eos_token="<|end|>" if style == "marker" else "<|im_end|>",
        chat_template=TEMPLATE if style == "marker" else IM_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_vocabulary(table: torch.Tensor) -> Vocabulary:
    """The vocabulary of a model whose embedding layer gives the rows of a table."""
    layer = torch.nn.Embedding.from_pretrained(table)
    model = SimpleNamespace(get_input_embeddings=lambda: layer, config=PreTrainedConfig())
    return Vocabulary(model)


def make_model(kind: str = "qwen2", vocabulary: int = 320, seed: int = 0, **changes: Any) -> Any:
    """A random model of a hundred thousand parameters, frozen, with grouped heads."""
    settings = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,  # far from uniform, so that greedy choices are clear
        "bos_token_id": None,
        "eos_token_id": 4,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        **changes,
    }
    torch.manual_seed(seed)
    if kind == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**settings))
    else:
        model = LlamaForCausalLM(LlamaConfig(**settings))
    return model.eval().requires_grad_(False)
