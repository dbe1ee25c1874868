"""The implementations of attention, and where each is usable.

All of them are exact; they differ in speed and in where they run. With each of them the shared
passes give the same losses and gradients as the plain passes. Decoding in key-value slots needs a
mask per row, which only eager and sdpa attention support, so texts are always decoded by these.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any, Literal, get_args

from domino.engines.base import EngineError

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2", "flex_attention"]
"""transformers' names; "auto" is its own choice for a model, sdpa where the model has it."""

TAKES_MASKS = frozenset({"eager", "sdpa"})
"""Those that take any mask; flash and flex attention make their own."""

_ANYWHERE = "'auto', 'sdpa' or 'eager'"
_HALF = ("float16", "bfloat16")


def check_attention(attention: str, device: str) -> None:
    """Refuse an implementation that does not work on this machine, before anything is loaded.

    Args:
        attention: one of `Attention`.
        device: of the model, resolved.

    Raises:
        EngineError: names the setting, its value and what to use instead.
    """
    if attention not in get_args(Attention):
        known = ", ".join(map(repr, get_args(Attention)))
        raise EngineError(f"attention is {attention!r}: give one of {known}")
    if attention in TAKES_MASKS or attention == "auto":
        return
    if not device.startswith("cuda"):
        raise EngineError(
            f"attention is {attention!r} and the device {device!r}: it has no backward pass there; "
            f"give attention {_ANYWHERE}, or run on a CUDA device"
        )
    if attention == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
        raise EngineError(
            f"attention is {attention!r} and the package flash-attn is not installed: install it "
            f"(pip install flash-attn --no-build-isolation), or give 'flex_attention', {_ANYWHERE}"
        )


def check_loaded(model: Any, attention: str) -> None:
    """Refuse a model that does not use the requested implementation.

    Raises:
        EngineError: transformers chose another, or the weights' precision does not allow it.
    """
    if attention == "auto":
        return
    found = model.config._attn_implementation
    if found != attention:
        raise EngineError(
            f"attention is {attention!r}, but {type(model).__name__} runs with {found!r}: give "
            "attention 'auto'"
        )
    precision = str(model.dtype).removeprefix("torch.")
    if attention == "flash_attention_2" and precision not in _HALF:
        raise EngineError(
            f"attention is {attention!r}, but the weights are {precision}: it supports only "
            f"{' or '.join(_HALF)}; load them so, or give attention 'flex_attention', "
            f"{_ANYWHERE}"
        )


@contextlib.contextmanager
def attention_for_decoding(model: Any) -> Iterator[None]:
    """Let a model decode with an implementation that supports masks; restore its own afterwards."""
    own = model.config._attn_implementation
    if own not in get_args(Attention) or own in TAKES_MASKS:
        yield
        return
    model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    try:
        yield
    finally:
        model.set_attn_implementation(own)
