"""How vLLM is set up for a model: the config, and what follows from it for each process."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domino.engines.base import EngineError
from domino.engines.lora import lora_shape

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM has kernels for


@dataclass(frozen=True, kw_only=True, slots=True)
class VllmConfig:
    """How vLLM runs a model.

    Attributes:
        tensor_parallel: GPUs that share each layer.
        data_parallel: copies of the model, each with GPUs of its own; requests are dealt out.
        dtype: of weights and activations; auto is the checkpoint's own.
        memory_share: of each GPU's memory that vLLM takes, in (0, 1]; without a GPU it is
            VLLM_CPU_KVCACHE_SPACE that counts.
        max_model_tokens: prompt and completion together, at most; null is the model's context.
        max_sequences: requests that are decoded together.
        eager: run without CUDA graphs and compilation: starts faster, decodes slower.
        start_timeout_s: how long vLLM may take to load the model.
    """

    tensor_parallel: int = field(default=1, metadata={"changes_result": False})
    data_parallel: int = field(default=1, metadata={"changes_result": False})
    dtype: str = "auto"
    memory_share: float = field(default=0.9, metadata={"changes_result": False})
    max_model_tokens: int | None = None
    max_sequences: int = field(default=256, metadata={"changes_result": False})
    eager: bool = field(default=False, metadata={"changes_result": False})
    start_timeout_s: float = field(default=1800.0, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse what vLLM cannot run."""
        for name in ("tensor_parallel", "data_parallel", "max_sequences"):
            if getattr(self, name) < 1:
                raise ValueError(f"vllm.{name} is {getattr(self, name)}: give at least 1")
        if not 0 < self.memory_share <= 1:
            raise ValueError(
                f"vllm.memory_share is {self.memory_share}: give a share above 0 and at most 1"
            )
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ValueError(
                f"vllm.dtype is {self.dtype!r}: give auto, float32, bfloat16 or float16"
            )
        if self.max_model_tokens is not None and self.max_model_tokens < 2:
            raise ValueError(f"vllm.max_model_tokens is {self.max_model_tokens}: give at least 2")
        if self.start_timeout_s <= 0:
            raise ValueError(f"vllm.start_timeout_s is {self.start_timeout_s}: give more than 0")


def require_vllm() -> None:
    """Refuse an environment without vLLM.

    Raises:
        EngineError: the package cannot be found.
    """
    if importlib.util.find_spec("vllm") is None:
        raise EngineError(
            "engine 'vllm': vLLM is not installed: on a GPU machine pip install -e '.[vllm]', on "
            "another one use the environment of `make test-vllm`, or engine transformers"
        )


def context_tokens(config: VllmConfig, model: str, shape: Any) -> int:
    """Return how many tokens prompt and completion may have together.

    Raises:
        EngineError: more are asked for than the model has positions, or it names no number.
    """
    has, asked = getattr(shape, "max_position_embeddings", None), config.max_model_tokens
    if asked is None:
        if has is None:
            raise EngineError(f"{model!r} names no context length: give vllm.max_model_tokens")
        return int(has)
    if has is not None and asked > has:
        raise EngineError(
            f"vllm.max_model_tokens is {asked}, and {model!r} has positions for {has}: "
            "give that or less"
        )
    return asked


def llm_options(config: VllmConfig, model: str, shape: Any, adapter: Path | None) -> dict[str, Any]:
    """Return the arguments of `vllm.LLM`.

    Args:
        config: how vLLM runs.
        model: directory or hub name.
        shape: the model's config.
        adapter: of PEFT, or None.

    Raises:
        EngineError: the adapter does not fit the model, or its rank is none that vLLM takes.
    """
    options = {
        "model": model,
        "dtype": _dtype(config, shape),
        "tensor_parallel_size": config.tensor_parallel,
        "gpu_memory_utilization": config.memory_share,
        "max_model_len": context_tokens(config, model, shape),
        "max_num_seqs": config.max_sequences,
        "enforce_eager": config.eager,
        "enable_prompt_embeds": True,
        "enable_prefix_caching": False,
        "generation_config": "vllm",  # sampling is the harness's alone
        "seed": 0,
    }
    return options if adapter is None else options | _lora_options(adapter, shape)


def devices(config: VllmConfig, number: int) -> Mapping[str, str]:
    """Return the environment that gives a replica GPUs of its own.

    Raises:
        EngineError: CUDA_VISIBLE_DEVICES names too few.
    """
    if config.data_parallel == 1:
        return {}
    count = config.tensor_parallel
    wanted = count * config.data_parallel
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if named and len(named) < wanted:
        raise EngineError(
            f"vllm.data_parallel {config.data_parallel} × vllm.tensor_parallel {count} needs "
            f"{wanted} GPUs, and CUDA_VISIBLE_DEVICES names {len(named)}: lower one of them"
        )
    visible = named or [str(index) for index in range(wanted)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(visible[number * count : (number + 1) * count])}


def _dtype(config: VllmConfig, shape: Any) -> str:
    """Return the dtype; vLLM's own auto would turn float32 checkpoints into half precision."""
    named = getattr(shape, "dtype", None)
    if config.dtype != "auto" or named is None:
        return config.dtype
    return str(named).removeprefix("torch.")


def _lora_options(adapter: Path, shape: Any) -> dict[str, Any]:
    lora = lora_shape(adapter, shape)
    if lora.rank > _LORA_RANKS[-1]:
        raise EngineError(
            f"the adapter {str(adapter)!r} has LoRA rank {lora.rank}: vLLM takes at most "
            f"{_LORA_RANKS[-1]}"
        )
    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": next(rank for rank in _LORA_RANKS if rank >= lora.rank),
        # Nothing else is wrapped: a wrapped embedding table could not be asked outside of a step.
        "lora_target_modules": list(lora.modules),
    }
