"""Loads a backbone: the frozen causal language model and its tokenizer, from one directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domino.attention import check_attention, check_loaded
from domino.engines.base import EngineError
from domino.engines.chat import ChatFormat, prepare_tokenizer
from domino.text import load_json

Backbone = tuple[Any, Any]
"""(PreTrainedModel in eval mode without weight gradients, tokenizer)."""


def load_backbone(
    path: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    attention: str = "auto",
    quantization: Any = None,
    chat: ChatFormat | None = None,
) -> Backbone:
    """Load model and tokenizer, frozen and in eval mode.

    Args:
        path: a directory written by `save_pretrained`, or a hub name.
        device: "cpu", "cuda", "cuda:1", ...; "auto" is this process's GPU, if there is one.
        dtype: "float32", "bfloat16", ...; "auto" is the checkpoint's own, and float32 on a CPU.
        attention: one of `domino.attention.Attention`.
        quantization: transformers' config for quantized weights; None does not quantize.
        chat: how turns become text; default: the model's chat template.

    Raises:
        EngineError: the directory does not contain a model, transformers cannot read it, or the
            attention does not work with it or on this device.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    check_model_directory(path)
    device = pick_device(device)
    check_attention(attention, device)
    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    more = {"quantization_config": quantization, "device_map": {"": device}} if quantization else {}
    try:
        tokenizer = prepare_tokenizer(AutoTokenizer.from_pretrained(str(path)), chat)
        chosen = None if attention == "auto" else attention
        with silent_loading(path):
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(path), dtype=dtype, attn_implementation=chosen, **more
            )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise _not_loadable(path, error, attention) from error
    check_loaded(model, attention)
    return freeze(model if quantization else model.to(device)), tokenizer


@contextmanager
def silent_loading(path: str | Path) -> Iterator[None]:
    """Load without transformers' progress bar, except for downloads."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # its functions have no types
    silenced = Path(path).is_dir() and logging.is_progress_bar_enabled()
    if silenced:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if silenced:
            logging.enable_progress_bar()


def freeze(model: Any) -> Any:
    """Put the model in eval mode and take its weights out of autograd."""
    return model.eval().requires_grad_(False)


def pick_device(device: str) -> str:
    """Resolve "auto" to this process's GPU, or to the CPU if there is none.

    Launchers of several processes number them on each machine by LOCAL_RANK; alone it is the first.
    """
    import torch

    if device != "auto":
        return device
    if not torch.cuda.is_available():
        return "cpu"
    rank = os.environ.get("LOCAL_RANK")
    return "cuda" if rank is None else f"cuda:{rank}"


def check_model_directory(path: str | Path) -> None:
    """Refuse a path that exists but does not contain a model, before heavy imports.

    Raises:
        EngineError: the path looks like a directory and is missing, or lacks a usable config.json.
    """
    directory = Path(path)
    if not directory.exists():
        if directory.is_absolute() or str(path).startswith((".", "~")) or str(path).count("/") > 1:
            raise EngineError(f"model directory {str(path)!r} does not exist: check the path")
        return  # a hub name, for transformers to resolve
    config = directory / "config.json"
    if not config.is_file():
        raise EngineError(
            f"{str(path)!r} is not a model directory: it has no config.json; "
            "give a directory written by save_pretrained"
        )
    try:
        load_json(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{config} is not JSON ({error}): the checkpoint is damaged") from error


def check_adapter_directory(path: str | Path) -> None:
    """Refuse a directory without a PEFT adapter.

    Raises:
        EngineError: it has no adapter_config.json.
    """
    if not (Path(path) / "adapter_config.json").is_file():
        raise EngineError(
            f"{str(path)!r} is not an adapter directory: it has no adapter_config.json"
        )


def load_shape(path: str | Path, chat: ChatFormat | None = None) -> tuple[Any, Any]:
    """Return the config and the tokenizer of a model, without its weights; see `load_backbone`.

    Raises:
        EngineError: the directory does not contain a model, or transformers cannot read it.
    """
    from transformers import AutoConfig, AutoTokenizer

    check_model_directory(path)
    try:
        tokenizer = prepare_tokenizer(AutoTokenizer.from_pretrained(str(path)), chat)
        return AutoConfig.from_pretrained(str(path)), tokenizer
    except (OSError, ValueError, KeyError) as error:
        raise _not_loadable(path, error) from error


def _not_loadable(path: str | Path, error: BaseException, attention: str = "auto") -> EngineError:
    return EngineError(
        f"{str(path)!r} cannot be loaded as a causal language model"
        f"{'' if attention == 'auto' else f' with attention {attention!r}'}: "
        f"{_first_line(error)}; give a directory written by save_pretrained with its "
        f"tokenizer, or a hub name{'' if attention == 'auto' else ', or attention auto'}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
