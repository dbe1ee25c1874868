"""The plain passes: each text with its complete prefix, through the model's own head.

Right for every causal model, whatever its attention, state or head; what the shared passes are
tried against, and what runs where they do not apply.

Shapes: P domain tokens, Q sample tokens, H hidden size, R rows, F positions of a prefix, n texts,
L positions of the longest text, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from domino.embedding import embed_ids, forward_inputs
from domino.passes.base import Trunk
from domino.passes.texts import Text

_IGNORED = -100


class PlainPasses:
    """One complete sequence for each pair of prefix and text; the trunk is the domain tokens."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cuts = "logits_to_keep" in inspect.signature(model.forward).parameters

    def trunk(self, domain_PH: torch.Tensor) -> Trunk:
        """Return the domain tokens."""
        return (domain_PH,)

    def losses(
        self, trunk: Trunk, sample_RQH: torch.Tensor | None, texts: Sequence[Text]
    ) -> torch.Tensor:
        """Return each text's loss behind each prefix, [R, n]; see `Passes.losses`."""
        (domain_PH,) = trunk
        prefix_RFH = domain_PH[None]
        if sample_RQH is not None:
            prefix_RFH = torch.cat([domain_PH.expand(len(sample_RQH), -1, -1), sample_RQH], 1)
        rows = len(prefix_RFH)
        prefix_RnFH = prefix_RFH.repeat_interleave(len(texts), 0)  # row i * n + j: prefix i, text j
        return self._row_losses(prefix_RnFH, list(texts) * rows).view(rows, len(texts))

    def _row_losses(self, prefix_RFH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
        """Return each text's mean loss per token behind its own prefix, [R], float32.

        Texts are padded on the right: causal attention keeps padding out of every real position,
        so no mask is needed. A text's last token needs no position of its own.
        """
        ids_RL = torch.nn.utils.rnn.pad_sequence([text.ids_L for text in texts], batch_first=True)
        given = min(text.given for text in texts)
        labels_RL = _labels(texts)[:, given:]
        embeds_RLH = embed_ids(self._model, ids_RL[:, :-1])
        embeds_RFH = torch.cat([prefix_RFH.to(embeds_RLH.dtype), embeds_RLH], 1)
        inputs = forward_inputs(self._model, embeds_RFH, ids_RL[:, :-1])
        logits_RLV = self._logits(inputs, labels_RL.shape[1])
        loss = functional.cross_entropy(  # over a contiguous vocabulary, which is much faster
            logits_RLV.float().flatten(0, 1),
            labels_RL.flatten(),
            ignore_index=_IGNORED,
            reduction="none",
        )
        return loss.view_as(labels_RL).sum(1) / (labels_RL != _IGNORED).sum(1)

    def _logits(self, inputs: dict[str, Any], count: int) -> torch.Tensor:
        """Return the logits of the last positions; the prefix's last predicts the first token."""
        keep = {"logits_to_keep": count} if self._cuts else {}
        logits_RLV = self._model(**inputs, use_cache=False, **keep).logits
        return logits_RLV[:, -count:]  # type: ignore[no-any-return]


def _labels(texts: Sequence[Text]) -> torch.Tensor:
    """Token ids [R, L] with padding and given tokens ignored."""
    labels = []
    for text in texts:
        labels_L = text.ids_L.clone()
        labels_L[: text.given] = _IGNORED
        labels.append(labels_L)
    return torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=_IGNORED)
