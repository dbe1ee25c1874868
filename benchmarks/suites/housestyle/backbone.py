"""The small backbone: its tokenizer, its architecture, and where its checkpoint lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.suites.housestyle.documents import ASSISTANT, END, PAD, SYSTEM, USER

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CHECKPOINT = Path(__file__).with_name("checkpoint")
CHECKPOINTS: Mapping[str, Path] = {
    "housestyle": CHECKPOINT,
    "housestyle-weak": CHECKPOINT.with_name("checkpoint-weak"),
    "housestyle-coherent": CHECKPOINT.with_name("checkpoint-coherent"),
}
"""Where each shipped backbone lies, by its name as a model."""
CONTEXT = 2048
CHAT_TOKENS = (PAD, END, USER, ASSISTANT, SYSTEM)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Digits stand alone, so that numbers are copied piece by piece; pieces may hold several words
# (a clause of a task, most of a line of code), but never cross punctuation or a line's end.
PIECES = r"\d|\n *|[,;.:`]| (?:then|next|and|finally)(?= )|[^\d\n,;.:`]+"


def make_tokenizer(
    texts: Iterable[str], vocabulary: int, markers: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Train the byte-level BPE tokenizer on texts (deterministic) and give it the chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*CHAT_TOKENS, *markers],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM, *markers],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> PreTrainedModel:
    """Return the untrained model: Qwen2, 192 wide, 4 layers, 6 heads, tied embeddings."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def as_llama(model: PreTrainedModel) -> PreTrainedModel:
    """Return the same function as a Llama model with attention biases (the output's are zero).

    transformers 5 loads every checkpoint of type qwen2 with Qwen's own way of cutting text into
    pieces, whatever its tokenizer files say, and so would misread this tokenizer; it takes a
    Llama checkpoint's tokenizer as it is.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    same = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
        "rope_parameters", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
    )  # fmt: skip
    values = {name: getattr(model.config, name) for name in same}
    llama = LlamaForCausalLM(LlamaConfig(**values, attention_bias=True))
    weights = dict(model.state_dict())
    for name, value in llama.state_dict().items():
        if name.endswith("o_proj.bias"):
            weights[name] = torch.zeros_like(value)
    llama.load_state_dict(weights)
    llama.eval()
    return llama
