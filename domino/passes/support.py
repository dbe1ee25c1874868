"""Which passes a model can take: shared where they give the model's own losses, else plain."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

import torch

from domino.embedding import per_layer_body
from domino.passes.base import Passes
from domino.passes.fused_loss import Head
from domino.passes.plain import PlainPasses
from domino.passes.shared import SharedPasses
from domino.passes.texts import Text

_LOG = logging.getLogger(__name__)
_ATTENTION = {"full_attention", "sliding_attention"}

_OBSTACLES: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()
"""A memo of `obstacle`, which runs a trial; a model's answer goes when the model does."""

_TRIAL_ERRORS = (
    AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def passes_for(model: Any, positions: int) -> Passes:
    """Return the shared passes, or, with one warning for each model, the plain ones.

    Args:
        model: a frozen causal language model in eval mode.
        positions: of the longest sequence, soft tokens and text.
    """
    reason, head = _known_obstacle(model, positions), Head.of(model)
    if reason is None and head is not None:
        return SharedPasses(model, head)
    return PlainPasses(model)


def _known_obstacle(model: Any, positions: int) -> str | None:
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    narrow = window is not None and 0 < window < positions
    if model not in _OBSTACLES or (narrow and _OBSTACLES[model] is None):
        seen = f"its attention sees {window} positions, this fit has {positions}"
        reason = seen if narrow else obstacle(model)
        if reason is not None:
            _warn(model, reason)
        _OBSTACLES[model] = reason
    return _OBSTACLES[model]


def obstacle(model: Any) -> str | None:
    """Return why a model cannot share prefixes, or None where a trial shows that it can."""
    config = model.config.get_text_config()
    if not type(model).__module__.startswith("transformers."):
        return "its code is not transformers' own"
    if per_layer_body(model) is not None:
        return "its tokens enter at every layer"
    if getattr(model, "_is_stateful", False):
        return "it keeps a state other than keys and values"
    if other := set(getattr(config, "layer_types", None) or ()) - _ATTENTION:
        return f"it has layers of type {', '.join(sorted(other))}"
    head = Head.of(model)
    if head is None:
        return "its vocabulary head is not one linear layer"
    try:
        with torch.no_grad(), torch.autocast(model.device.type, enabled=False):
            off = _trial(model, head)
    except _TRIAL_ERRORS as error:
        return f"it takes no prefix of keys and values ({type(error).__name__}: {error})"
    return f"its losses behind a shared prefix are off by {off:.0e}" if off else None


def _warn(model: Any, reason: str) -> None:
    _LOG.warning(
        "%s cannot share prefixes between texts: %s; every text runs with its complete "
        "prefix, which gives the same losses and takes about three times as long",
        type(model).__name__,
        reason,
    )


def _trial(model: Any, head: Head) -> float:
    """Return the relative difference from the plain passes on a few tokens, 0 within rounding."""
    table = model.get_input_embeddings()
    device = table.weight.device
    drawn = torch.arange(1, 25, device=device) * 7919 % table.num_embeddings
    domain_PH, sample_RQH = table(drawn[:3]), table(drawn[3:7]).unflatten(0, (2, 2))
    texts = [Text(drawn[[0, *range(7, 12)]], given=1), Text(drawn[[0, *range(12, 22)]], given=2)]
    losses = []
    for passes in (SharedPasses(model, head), PlainPasses(model)):
        trunk = passes.trunk(domain_PH)
        parts = [passes.losses(trunk, None, texts), passes.losses(trunk, sample_RQH, texts)]
        losses.append(torch.cat(parts))
    got, want = losses
    off = float((got - want).abs().max() / want.abs().max())
    return 0.0 if off <= (1e-4 if table.weight.dtype == torch.float32 else 5e-2) else off
