"""What a model reads in place of token ids: their embeddings, scaled as it scales them itself.

Gemma's embedding layer scales what its table holds; Granite scales whatever comes in; Falcon-H1
scales what it has looked up itself, and nothing that it is given. Gemma 3n and 4 look ids up once
more for every layer: a soft token, which has no id, stands there for padding, as an image does.

Shapes: R rows, F positions of soft tokens and text, L positions of text, T tokens, H hidden size.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from domino.engines.base import EngineError

_SCALED_OUTSIDE = {"falcon_h1": "embedding_multiplier"}
"""Model types that scale looked-up embeddings alone, and the field of their config that says so."""


def embed_ids(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return what the model itself makes of token ids before its first layer, [..., H]."""
    embeds: torch.Tensor = model.get_input_embeddings()(ids)
    config = model.config.get_text_config()
    field = _SCALED_OUTSIDE.get(config.model_type)
    return embeds if field is None else embeds * getattr(config, field)


def forward_inputs(model: Any, embeds_RFH: torch.Tensor, ids_RL: torch.Tensor) -> dict[str, Any]:
    """Return the arguments of a forward pass over soft tokens and the text behind them.

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
    """Return the part of a model that looks ids up for every layer; None where there is none."""
    named = "embed_tokens_per_layer"
    return next((m for m in model.modules() if getattr(m, named, None) is not None), None)


@torch.no_grad()
def check_embeddings(model: Any) -> None:
    """Refuse a model that reads text otherwise behind soft tokens than by its ids.

    Raises:
        EngineError: embeddings in the ids' place give other logits.
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
        f"{type(model).__name__} does not read embeddings as it reads token ids ({why}): soft "
        "tokens cannot be fitted to it; leave these methods out, or use another backbone"
    )
