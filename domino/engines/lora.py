"""The shape of a PEFT LoRA adapter, and whether it fits a model.

vLLM copies an adapter's matrices into padded buffers and does not compare widths: an adapter of a
smaller model would load, and mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domino.engines.base import EngineError
from domino.text import load_json

_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraShape:
    """An adapter's rank, and the names of the modules that it changes."""

    rank: int
    modules: tuple[str, ...]


def lora_shape(adapter: Path, config: Any) -> LoraShape:
    """Return the shape of an adapter, if it fits the model.

    Args:
        adapter: a directory that PEFT wrote.
        config: the model's.

    Raises:
        EngineError: it does not contain LoRA matrices, or was trained on a model of another shape.
    """
    from safetensors import SafetensorError, safe_open

    try:
        rank = int(load_json((adapter / "adapter_config.json").read_text("utf-8"))["r"])
        with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EngineError(
            f"{str(adapter)!r} does not contain a LoRA adapter ({error}): give a directory written "
            "by PEFT"
        ) from error
    trained = _trained(shapes)
    has = _weights(config)
    for module, shape in trained.items():
        if has.get(module) != shape:
            here = "missing" if module not in has else f"{has[module]}"
            raise EngineError(
                f"the adapter {str(adapter)!r} does not fit the model: {module} is {shape} there "
                f"and {here} here; use the backbone that it was trained on"
            )
    return LoraShape(rank=rank, modules=tuple(sorted({n.rpartition(".")[2] for n in trained})))


def _trained(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shape [out, in] of each module that has both matrices, by its name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, (_, width) in shapes.items():
        up = name.replace(_DOWN, _UP)
        if name.endswith(_DOWN) and up in shapes:
            found[name.removeprefix(_PREFIX).removesuffix(_DOWN)] = (shapes[up][0], width)
    return found


def _weights(config: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's weights by module, without making any."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    return {
        name.removesuffix(".weight"): tuple(weight.shape)
        for name, weight in model.named_parameters()
    }
