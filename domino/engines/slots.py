"""Key-value slots: rows of a batch that start, grow and finish independently of each other.

Shapes: S slots, N rows in use, K key-value heads, T positions of a slot, D head dimension,
V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from domino.attention import TAKES_MASKS
from domino.embedding import forward_inputs, per_layer_body
from domino.engines.prefill import (
    Prefilled,
    Prefiller,
    Trunk,
    embed,
    last_logits,
    prefill_tails,
    prefill_trunk,
)

if TYPE_CHECKING:
    from domino.engines.encoding import EncodedPrompt


class Rows(Protocol):
    """Where the prompts being continued live."""

    def admit(self, slot: int, prompt: EncodedPrompt) -> torch.Tensor:
        """Put a prompt into a slot and return the logits after it, [V]."""

    def move(self, source: int, target: int) -> None:
        """Copy a row into another slot."""

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first N rows and return the next logits, [N, V]."""


class SlotRows:
    """Rows in key-value slots, prompts prefilled in batches."""

    def __init__(self, model: Any, prefiller: Prefiller, slots: int, capacity: int) -> None:
        self._prefiller = prefiller
        self._cache = SlotCache(model, slots, capacity)

    def admit(self, slot: int, prompt: EncodedPrompt) -> torch.Tensor:
        """Put a prompt into a slot and return the logits after it, [V]."""
        ready = self._prefiller.take(prompt)
        self._cache.fill(slot, ready)
        return ready.logits_V

    def move(self, source: int, target: int) -> None:
        """Copy a row into another slot."""
        self._cache.move(source, target)

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token to each of the first N rows and return the next logits, [N, V]."""
        return self._cache.step(tokens_N)


class SingleRow:
    """One prompt at a time in the model's own cache: slower, right for any model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache: Any = None

    def admit(self, slot: int, prompt: EncodedPrompt) -> torch.Tensor:
        """Put a prompt into the only slot and return the logits after it, [V]."""
        self._cache = DynamicCache(config=self._model.config)
        embeds_PH = embed(self._model, prompt.soft_PH, prompt.ids)
        ids_1Q = torch.tensor([prompt.ids], dtype=torch.long, device=self._model.device)
        inputs = forward_inputs(self._model, embeds_PH[None], ids_1Q)
        return last_logits(self._model, **inputs, past_key_values=self._cache)[0]

    def move(self, source: int, target: int) -> None:
        """Nothing to move: there is one slot."""

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token and return the next logits, [1, V]."""
        return last_logits(self._model, input_ids=tokens_N[:, None], past_key_values=self._cache)


class SlotCache(Cache):
    """A cache whose rows each write at their own position; one decoding step is one forward.

    Rows 0..N-1 are in use. Attention reaches only as far as the longest of them.
    """

    def __init__(self, model: Any, slots: int, capacity: int) -> None:
        super().__init__(layers=[])
        self._stores: list[SlotLayer] = []
        self._model = model
        self._capacity = capacity
        self._slots = slots
        self._trunks: list[Trunk | None] = [None] * slots
        self.lengths_S = torch.zeros(slots, dtype=torch.long, device=model.device)
        self._rows_S = torch.arange(slots, device=model.device)
        self._mask_S11T = torch.full(
            (slots, 1, 1, capacity), float("-inf"), dtype=model.dtype, device=model.device
        )
        self._reach = [0] * slots  # the lengths again, without asking the device

    def fill(self, slot: int, prompt: Prefilled) -> None:
        """Put a prefilled prompt into a slot; a trunk that already lies there is not copied."""
        if not self._stores:
            self._stores = [self._new_layer(pair) for pair in prompt.tail or prompt.trunk.layers]
            self.layers = list(self._stores)
        start, stop = prompt.trunk.length, prompt.length
        for index, layer in enumerate(self._stores):
            if start and self._trunks[slot] is not prompt.trunk:
                keys, values = prompt.trunk.layers[index]
                layer.keys[slot, :, :start], layer.values[slot, :, :start] = keys[0], values[0]
            if prompt.tail:
                keys, values = prompt.tail[index]
                layer.keys[slot, :, start:stop], layer.values[slot, :, start:stop] = keys, values
        self._trunks[slot] = prompt.trunk
        self._set_length(slot, stop)

    def move(self, source: int, target: int) -> None:
        """Copy a row into another slot."""
        length = self._reach[source]
        for layer in self._stores:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]
        self._trunks[target] = self._trunks[source]
        self._set_length(target, length)

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token to each row in use and return the next logits, [N, V], float32."""
        rows = len(tokens_N)
        at_N = self.lengths_S[:rows].clone()
        width = max(self._reach[:rows]) + 1
        self._mask_S11T[self._rows_S[:rows], 0, 0, at_N] = 0
        for layer in self._stores:
            layer.aim(self._rows_S[:rows], at_N, width)
        logits_NV = last_logits(
            self._model,
            input_ids=tokens_N[:, None],
            position_ids=at_N[:, None],
            attention_mask=self._mask_S11T[:rows, :, :, :width],
            past_key_values=self,
        )
        self.lengths_S[:rows] += 1
        self._reach[:rows] = [length + 1 for length in self._reach[:rows]]
        return logits_NV

    def _set_length(self, slot: int, length: int) -> None:
        self._reach[slot] = length
        self.lengths_S[slot] = length
        self._mask_S11T[slot, ..., :length] = 0
        self._mask_S11T[slot, ..., length:] = float("-inf")

    def _new_layer(self, pair: tuple[torch.Tensor, torch.Tensor]) -> SlotLayer:
        return SlotLayer(*(self._new_store(states) for states in pair))

    def _new_store(self, states: torch.Tensor) -> torch.Tensor:
        # Zeros, not empty memory: a masked position still multiplies its value by 0.
        heads, dim = states.shape[-3], states.shape[-1]
        return states.new_zeros(self._slots, heads, self._capacity, dim)


class SlotLayer(CacheLayerMixin):
    """One layer's keys and values, [S, K, T, D], written at one position per row."""

    keys: torch.Tensor
    values: torch.Tensor
    is_croppable = False

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values = keys, values
        self.is_initialized = True
        self._rows_N = self._at_N = torch.empty(0, dtype=torch.long)
        self._width = 0

    def aim(self, rows_N: torch.Tensor, at_N: torch.Tensor, width: int) -> None:
        """Say where the next update writes, and how far it reads."""
        self._rows_N, self._at_N, self._width = rows_N, at_N, width

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one position per row, [N, K, 1, D], and return all that attention may see."""
        rows = len(self._rows_N)
        self.keys[self._rows_N, :, self._at_N] = key_states[:, :, 0]
        self.values[self._rows_N, :, self._at_N] = value_states[:, :, 0]
        return self.keys[:rows, :, : self._width], self.values[:rows, :, : self._width]

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: storage is made with the layer."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return key-value length and offset."""
        return self._width, 0

    def get_seq_length(self) -> int:
        """Return how many positions lie before the one being written."""
        return max(self._width - 1, 0)

    def get_max_length(self) -> int:
        """Return the capacity of a slot."""
        return int(self.keys.shape[2])


def can_use_slots(model: Any) -> bool:
    """Whether decoding in slots gives this model's own logits, tried on a few tokens.

    Windows and other attention patterns show only on long texts, so they are refused by the
    model's config; everything else (positions, masks, cache layout) shows in the trial.
    """
    config = model.config
    if per_layer_body(model) is not None:
        return False
    patterns = set(getattr(config, "layer_types", None) or ["full_attention"])
    if patterns != {"full_attention"} or getattr(config, "sliding_window", None):
        return False
    if model.config._attn_implementation not in TAKES_MASKS:
        return False
    try:
        return _trial(model)
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError):
        return False
    except ValueError:
        return False


def _trial(model: Any) -> bool:
    """Compare two ragged rows in slots with plain forward passes."""
    vocabulary = model.get_input_embeddings().num_embeddings
    texts = [[i * 7919 % vocabulary for i in range(5)], [i * 104729 % vocabulary for i in range(9)]]
    trunk = prefill_trunk(model, embed(model, None, texts[0][:2]))
    texts = [texts[0], texts[0][:2] + texts[1]]
    cache = SlotCache(model, slots=2, capacity=16)
    for slot, ready in enumerate(prefill_tails(model, trunk, [text[2:-1] for text in texts])):
        cache.fill(slot, ready)
    got_NV = cache.step(torch.tensor([text[-1] for text in texts], device=model.device))
    want = [
        model(input_ids=torch.tensor([text], device=model.device), use_cache=False).logits[0, -1]
        for text in texts
    ]
    want_NV = torch.stack(want).float()
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    return bool((got_NV - want_NV).abs().max() <= tolerance * want_NV.abs().max().clamp(min=1e-3))
