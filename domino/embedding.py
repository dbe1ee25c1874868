"""Input embeddings in place of token ids, scaled as the model scales them.

Gemma scales in its embedding layer; Granite scales all inputs; Falcon-H1 scales embeddings that it
looks up itself, but not embeddings that it is given. Gemma 3n and 4 look ids up again in every
layer: a soft token, which has no id, counts as padding there, as an image does.

Shapes: R rows, F positions of soft tokens and text, L positions of text, T tokens, H hidden size.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from domino.engines.base import EngineError

_SCALED_OUTSIDE = {"falcon_h1": "embedding_multiplier"}
"""Model types that scale only looked-up embeddings, and the config field with the scale."""


def embed_ids(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return the model's inputs to its first layer for token ids, [..., H]."""
    embeds: torch.Tensor = model.get_input_embeddings()(ids)
    config = model.config.get_text_config()
    field = _SCALED_OUTSIDE.get(config.model_type)
    return embeds if field is None else embeds * getattr(config, field)


def forward_inputs(model: Any, embeds_RFH: torch.Tensor, ids_RL: torch.Tensor) -> dict[str, Any]:
    """Return the arguments of a forward pass over soft tokens and the text after them.

    Args:
        model: a causal language model.
        embeds_RFH: of all positions.
        ids_RL: the token ids of the last L positions.
    """
    inputs = {"inputs_embeds": embeds_RFH}
    if (body := per_layer_body(model)) is not None:
        soft = embeds_RFH.shape[1] - ids_RL.shape[1]
        pad = model.config.get_text_config().pad_token_id or 0
        ids_RF = torch.nn.functional.pad(ids_RL, (soft, 0), value=pad)
        look_up = body.get_per_layer_inputs
        more = [None] if "inputs_embeds" in inspect.signature(look_up).parameters else []
        inputs["per_layer_inputs"] = look_up(ids_RF, *more)
    return inputs


def per_layer_body(model: Any) -> Any:
    """Return the part of a model that looks ids up in every layer; None if there is none."""
    named = "embed_tokens_per_layer"
    return next((m for m in model.modules() if getattr(m, named, None) is not None), None)


@torch.no_grad()
def check_embeddings(model: Any) -> None:
    """Refuse a model that treats embeddings differently from token ids.

    Raises:
        EngineError: embeddings of token ids give other logits than the ids.
    """
    ids_1L = torch.arange(1, 9, device=model.device)[None]
    want = model(input_ids=ids_1L, use_cache=False).logits
    try:
        inputs = forward_inputs(model, embed_ids(model, ids_1L), ids_1L)
        off = float((model(**inputs, use_cache=False).logits - want).abs().max())
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise _no_soft_tokens(model, str(error).splitlines()[0]) from error
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    if off > tolerance * float(want.abs().max()):
        raise _no_soft_tokens(model, f"logits differ by {off:.2g}")


def _no_soft_tokens(model: Any, why: str) -> EngineError:
    return EngineError(
        f"{type(model).__name__} treats embeddings differently from token ids ({why}): soft "
        "tokens cannot be fitted; remove these methods, or use another backbone"
    )
