"""Writes tiny models as GGUF files, as llama.cpp's converter does."""

from pathlib import Path
from typing import Any

import gguf
import torch


def write_gguf(file: Path, model: Any, tokenizer: Any, *, arch: str = "llama", **more: Any) -> Path:
    """Write a model of Llama's layout; `more` are further texts and flags of its metadata."""
    config = model.config
    writer = gguf.GGUFWriter(file, arch)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer)
    for name, value in more.items():
        key = name.replace("__", ".")
        (writer.add_string if isinstance(value, str) else writer.add_bool)(key, value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        rotated = next((heads[part] for part in heads if part in name), None)
        values = weight if rotated is None else _interleaved(weight, rotated)
        writer.add_tensor(names.get_name(name, (".weight",)), values.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any) -> None:
    pieces = [tokenizer.convert_ids_to_tokens(number) for number in range(len(tokenizer))]
    special = set(tokenizer.added_tokens_decoder)
    kinds = [gguf.TokenType.CONTROL if n in special else gguf.TokenType.NORMAL
             for n in range(len(pieces))]  # fmt: skip
    merges = tokenizer.backend_tokenizer.to_str()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    import json

    writer.add_token_merges([" ".join(pair) for pair in json.loads(merges)["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of a rotary projection in llama.cpp's order."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)
