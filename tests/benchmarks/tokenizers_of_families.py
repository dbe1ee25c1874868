"""Small tokenizers with the habits of real families: templates, begin-of-text tokens, none."""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.tiny import CORPUS, IM_TEMPLATE

LLAMA3_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
THINKING_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FAMILIES = ("chatml", "llama3", "gemma", "thinking", "base", "base with bos")


def family_tokenizer(family: str, corpus: list[str] | None = None) -> Any:
    """Return a byte-level tokenizer of a family."""
    template, specials, end, bos = {
        "chatml": (IM_TEMPLATE, ["<|im_start|>", "<|im_end|>"], "<|im_end|>", None),
        "llama3": (
            LLAMA3_TEMPLATE,
            ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
            "<|eot_id|>", "<|begin_of_text|>",
        ),
        "gemma": (
            GEMMA_TEMPLATE, ["<bos>", "<start_of_turn>", "<end_of_turn>"], "<end_of_turn>", "<bos>",
        ),
        "thinking": (THINKING_TEMPLATE, ["<|im_start|>", "<|im_end|>"], "<|im_end|>", None),
        "base": (None, ["<|endoftext|>"], "<|endoftext|>", None),
        "base with bos": (None, ["<s>", "</s>"], "</s>", "<s>"),
    }[family]  # fmt: skip
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        corpus or CORPUS,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<|pad|>", *specials],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if bos is not None:  # as Llama 3's and Gemma's do: also where the template has written it
        raw.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, raw.token_to_id(bos))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<|pad|>",
        bos_token=bos,
        eos_token=end,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
