"""Shapes of backbones, from a config.json: published ones are known without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import ConfigError, closest
from benchmarks.models import SHIPPED_MODELS, SMOLLM2_MODEL, resolve_model
from domino.text import load_json

_GATED = frozenset(
    {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "granite", "olmo2", "smollm3"}
)
"""Decoders of grouped attention and one gated MLP a layer."""

_QWEN: Mapping[str, Any] = MappingProxyType(
    {"model_type": "qwen2", "vocab_size": 152_064, "dtype": "bfloat16"}
)


def _qwen(hidden: int, inner: int, layers: int, heads: int, groups: int, **more: Any) -> Any:
    return {
        **_QWEN, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, **more,
    }  # fmt: skip


_SMALL: Mapping[str, Any] = MappingProxyType({"vocab_size": 151_936, "tie_word_embeddings": True})

PUBLISHED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        SMOLLM2_MODEL: {
            "model_type": "llama", "dtype": "float32", "vocab_size": 49_152, "hidden_size": 576,
            "intermediate_size": 1_536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "tie_word_embeddings": True,
        },
        "Qwen/Qwen2.5-Coder-0.5B-Instruct": _qwen(896, 4_864, 24, 14, 2, **_SMALL),
        "Qwen/Qwen2.5-Coder-1.5B-Instruct": _qwen(1_536, 8_960, 28, 12, 2, **_SMALL),
        "Qwen/Qwen2.5-Coder-3B-Instruct": _qwen(2_048, 11_008, 36, 16, 2, **_SMALL),
        "Qwen/Qwen2.5-Coder-7B-Instruct": _qwen(3_584, 18_944, 28, 28, 4),
        "Qwen/Qwen2.5-Coder-14B-Instruct": _qwen(5_120, 13_824, 48, 40, 8),
        "Qwen/Qwen2.5-Coder-32B-Instruct": _qwen(5_120, 27_648, 64, 40, 8),
        "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct": {
            "model_type": "deepseek_v2", "dtype": "bfloat16", "vocab_size": 102_400,
            "hidden_size": 2_048, "intermediate_size": 10_944, "num_hidden_layers": 27,
            "num_attention_heads": 16, "kv_lora_rank": 512, "q_lora_rank": None,
            "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
            "moe_intermediate_size": 1_408, "n_routed_experts": 64, "n_shared_experts": 2,
            "num_experts_per_tok": 6, "first_k_dense_replace": 1,
        },
    }
)  # fmt: skip
"""Fields of the config.json that each model was published with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneShape:
    """What of a decoder its cost depends on.

    Attributes:
        hidden: width of the residual stream.
        layers: decoder layers.
        vocabulary: rows of the head.
        body_weights: weights of the layers that one token meets; of experts, those it is sent to.
        all_weights: all weights, embeddings and head included.
        attention_width: elements of a layer's heads, the mean of queries and values.
        cached_elements: what one token leaves in transformers' cache, all layers together.
        paged_elements: the same in vLLM's, which keeps the latent of latent attention.
        kept_elements: activations that training keeps of one token, all layers together.
        stored_bytes: of one weight, as the checkpoint stores it.
    """

    hidden: int
    layers: int
    vocabulary: int
    body_weights: int
    all_weights: int
    attention_width: int
    cached_elements: int
    paged_elements: int
    kept_elements: int
    stored_bytes: int


def find_shape(model: str) -> BackboneShape:
    """Return the shape of the shipped model, of a directory, a GGUF file, or a known name.

    Raises:
        ConfigError: none of these, or a kind of model whose weights cannot be counted here.
    """
    if model in SHIPPED_MODELS:
        from benchmarks.suites.housestyle.backbone import CHECKPOINTS

        return read_shape(CHECKPOINTS[model] / "config.json")
    directory = resolve_model(model) if model.endswith(".gguf") else Path(model).expanduser()
    file = directory / "config.json"
    if file.is_file():
        return read_shape(file)
    if model not in PUBLISHED:
        raise ConfigError(
            f"model {model!r}: its shape is not known here{closest(model, PUBLISHED)}; give a "
            f"directory with its config.json, or one of {', '.join(PUBLISHED)}"
        )
    return shape_of(PUBLISHED[model])


def read_shape(file: Path) -> BackboneShape:
    """Return the shape that a config.json states.

    Raises:
        ConfigError: it cannot be read, or states none that can be counted.
    """
    try:
        return shape_of(load_json(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise ConfigError(f"{file}: {error}") from error
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except KeyError as error:
        raise ConfigError(
            f"{file} lacks {error}: give the config.json of a causal decoder"
        ) from error


def shape_of(config: Mapping[str, Any]) -> BackboneShape:
    """Return the shape that the fields of a config.json make.

    Raises:
        ConfigError: the weights of this kind of model cannot be counted here.
        KeyError: a field is missing.
    """
    kind = config.get("model_type")
    if kind == "deepseek_v2":
        return _latent(config)
    if kind not in _GATED:
        known = ", ".join(sorted({*_GATED, "deepseek_v2"}))
        raise ConfigError(f"model_type {kind!r} cannot be counted; known are {known}")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    query, group = heads * head, (config.get("num_key_value_heads") or heads) * head
    inner = config["intermediate_size"]
    layer = 2 * hidden * query + 2 * hidden * group + 3 * hidden * inner
    layers = config["num_hidden_layers"]
    return _shape(
        config, met=layers * layer, stored=layers * layer, width=query, cached=2 * group,
        paged=2 * group,
        kept=layers * (2 * hidden + 2 * query + 3 * inner),
    )  # fmt: skip


def _latent(config: Mapping[str, Any]) -> BackboneShape:
    """DeepSeek-V2's decoder: attention behind a latent, experts in all layers but the first."""
    hidden, heads, layers = (
        config[name] for name in ("hidden_size", "num_attention_heads", "num_hidden_layers")
    )
    rope, latent = config["qk_rope_head_dim"], config["kv_lora_rank"]
    query = heads * (config["qk_nope_head_dim"] + rope)
    value = heads * config["v_head_dim"]
    rank = config.get("q_lora_rank")
    queries = hidden * query if rank is None else rank * (hidden + query)
    opened = latent * (heads * config["qk_nope_head_dim"] + value)
    attention = queries + hidden * (latent + rope) + opened + value * hidden
    expert = 3 * hidden * config["moe_intermediate_size"]
    shared, met = config["n_shared_experts"], config["num_experts_per_tok"]
    dense = config["first_k_dense_replace"]
    routed = layers - dense
    common = layers * attention + dense * 3 * hidden * config["intermediate_size"]
    common += routed * (shared * expert + hidden * config["n_routed_experts"])
    inner = (shared + met) * config["moe_intermediate_size"]
    return _shape(
        config,
        met=common + routed * met * expert,
        stored=common + routed * config["n_routed_experts"] * expert,
        width=(query + value) // 2,
        cached=query + value,
        paged=latent + rope,
        kept=layers * (2 * hidden + 2 * query) + 3 * routed * inner
        + 3 * dense * config["intermediate_size"],
    )  # fmt: skip


def _shape(
    config: Mapping[str, Any],
    *,
    met: int,
    stored: int,
    width: int,
    cached: int,
    paged: int,
    kept: int,
) -> BackboneShape:
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    tables = 1 if config.get("tie_word_embeddings") else 2
    dtype = config.get("dtype") or config.get("torch_dtype") or "bfloat16"
    return BackboneShape(
        hidden=hidden,
        layers=config["num_hidden_layers"],
        vocabulary=vocabulary,
        body_weights=met,
        all_weights=stored + tables * hidden * vocabulary,
        attention_width=width,
        cached_elements=config["num_hidden_layers"] * cached,
        paged_elements=config["num_hidden_layers"] * paged,
        kept_elements=kept,
        stored_bytes=4 if dtype == "float32" else 2,
    )
