"""Estimates the memory of a step of the fit, without the weights, before it runs.

The weights are frozen, so autograd keeps, for each token and layer: the inputs of both norms, the
gated MLP's three intermediate tensors, the query and the result of attention, and the keys and
values that the token's row sees, repeated over grouped heads. Counts were compared with what
autograd really saves (see the tests); the rest of a peak is short-lived and covered by a margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import psutil
import torch

from domino.passes.fused_loss import chunk_bytes
from domino.passes.plain import PlainPasses
from domino.passes.support import passes_for

MemoryMode = Literal["auto", "always", "never"]
"""When gradients are cached: where a step would not fit otherwise, always, or never."""

_MARGIN = 1.15  # short-lived tensors of one layer, and the allocator's rounding
_SHARE = 0.8  # of the free memory that a step may take before "auto" caches gradients
_GIB = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryEstimate:
    """Bytes that one step needs, without the weights.

    Attributes:
        direct_bytes: with all losses in one graph.
        cached_bytes: with gradient caching, one prefix at a time.
        free_bytes: what the device has left.
    """

    direct_bytes: int
    cached_bytes: int
    free_bytes: int

    def gradient_caching(self, mode: MemoryMode) -> bool:
        """Whether to cache gradients: what `loss_matrix` takes.

        Raises:
            ValueError: the mode is unknown.
        """
        if mode not in ("auto", "always", "never"):
            raise ValueError(f"memory mode is {mode!r}: give 'auto', 'always' or 'never'")
        return mode == "always" or (mode == "auto" and self.direct_bytes > _SHARE * self.free_bytes)

    def describe(self) -> str:
        """Return the estimate in one line, for people."""
        direct, cached, free = (
            f"{count / _GIB:.2f} GiB"
            for count in (self.direct_bytes, self.cached_bytes, self.free_bytes)
        )
        return (
            f"a step needs about {direct} plus the weights, {cached} with gradient caching; "
            f"{free} are free"
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one forward pass: each runs `own` positions and sees `seen`, its prefix included."""

    rows: int
    own: int
    seen: int


def estimate_memory(
    model: Any,
    *,
    domain_tokens: int,
    sample_tokens: int,
    batch_size: int,
    text_tokens: int,
    free_bytes: int | None = None,
) -> MemoryEstimate:
    """Return the peak memory of `loss_matrix` and its backward pass, without the weights.

    Args:
        model: the frozen causal language model.
        domain_tokens: P.
        sample_tokens: Q.
        batch_size: B.
        text_tokens: L, of the longest text.
        free_bytes: by default, what the model's device has free now.
    """
    lengths = (domain_tokens, sample_tokens, batch_size, text_tokens)
    positions = domain_tokens + sample_tokens + text_tokens
    if isinstance(passes_for(model, positions), PlainPasses):
        passes, logits = _plain_rows(*lengths), _whole_logits(model, batch_size, text_tokens)
    else:
        passes, logits = _shared_rows(*lengths), (2 * chunk_bytes(model.device),) * 2
    direct, cached = (
        round(_MARGIN * sum(_saved_bytes(model, part) for part in parts)) + head
        for parts, head in zip(passes, logits, strict=True)
    )
    return MemoryEstimate(
        direct_bytes=direct,
        cached_bytes=cached,
        free_bytes=_free_bytes(model.device) if free_bytes is None else free_bytes,
    )


def _shared_rows(
    domain: int, sample: int, batch: int, text: int
) -> tuple[list[_Rows], list[_Rows]]:
    trunk, prefix = _Rows(1, domain, domain), domain + sample
    direct = [
        trunk,
        _Rows(batch, sample, prefix),
        _Rows(batch, text, domain + text),
        _Rows(batch**2, text, prefix + text),
    ]
    return direct, [trunk, _Rows(1, sample, prefix), _Rows(batch, text, prefix + text)]


def _plain_rows(domain: int, sample: int, batch: int, text: int) -> tuple[list[_Rows], list[_Rows]]:
    whole = domain + sample + text
    alone = _Rows(batch, domain + text, domain + text)
    return [alone, _Rows(batch**2, whole, whole)], [_Rows(batch, whole, whole)]


def _whole_logits(model: Any, batch: int, text: int) -> tuple[int, int]:
    """Bytes of the plain passes' logits: as computed, in float32, and as log-probabilities."""
    token = model.get_input_embeddings().num_embeddings * (model.dtype.itemsize + 8)
    return (batch + batch**2) * text * token, batch * text * token


def _saved_bytes(model: Any, part: _Rows) -> int:
    """Bytes that autograd keeps of one forward pass through the body."""
    config = model.config.get_text_config()
    hidden, heads = config.hidden_size, config.num_attention_heads
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    query = heads * (getattr(config, "head_dim", None) or hidden // heads)
    token = 2 * hidden + 2 * query + 3 * inner
    if model.config._attn_implementation == "eager":
        token += heads * part.seen - query  # attention weights in place of the result
    keys_and_values = part.rows * 2 * query * part.seen
    layer = part.rows * part.own * token + keys_and_values
    ends = part.rows * part.own * 2 * hidden  # the last norm, and each token's gradient
    return int((config.num_hidden_layers * layer + ends) * model.dtype.itemsize)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + reusable)
    return int(psutil.virtual_memory().available)
