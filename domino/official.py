"""The losses as the official code defines them: padding is text, and is predicted like text.

The exact passes leave padding out. These are for reproducing the official run: the plain B + B²
passes, with nothing shared between them.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts of a batch, F positions of a
prefix, L positions of the longest text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from domino.embedding import embed_ids, forward_inputs
from domino.shared_prefix import Text

_IGNORED = -100


def padded_loss_matrix(
    model: Any,
    domain_PH: torch.Tensor,
    sample_BQH: torch.Tensor,
    texts: Sequence[Text],
    pad_id: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `shared_prefix.loss_matrix` returns, with padding counted as labels."""
    rows = [
        padded_losses(model, torch.cat([domain_PH, sample_QH]), texts, pad_id)
        for sample_QH in sample_BQH
    ]
    return padded_losses(model, domain_PH, texts, pad_id), torch.stack(rows)


def padded_losses(
    model: Any, prefix_FH: torch.Tensor, texts: Sequence[Text], pad_id: int
) -> torch.Tensor:
    """Return each text's mean loss per position behind one prefix, [B], float32.

    Each text is padded on the right to the longest of the batch. No position attends to padding,
    but every padded position has the padding token as its label: the text's last token thus
    learns to be followed by it, and the loss depends on the batch.
    """
    ids_BL, mask_BL, labels_BL = _padded(texts, pad_id)
    embeds_BLH = embed_ids(model, ids_BL)
    prefix_BFH = prefix_FH.to(embeds_BLH.dtype).expand(len(texts), -1, -1)
    mask_BF = torch.ones(prefix_BFH.shape[:2], dtype=torch.long, device=ids_BL.device)
    logits_BLV = model(
        **forward_inputs(model, torch.cat([prefix_BFH, embeds_BLH], 1), ids_BL),
        attention_mask=torch.cat([mask_BF, mask_BL], 1),
        use_cache=False,
        logits_to_keep=ids_BL.shape[1] + 1,
    ).logits[:, :-1]
    loss_BL = functional.cross_entropy(
        logits_BLV.float().transpose(1, 2), labels_BL, ignore_index=_IGNORED, reduction="none"
    )
    return loss_BL.sum(1) / (labels_BL != _IGNORED).sum(1)


def _padded(texts: Sequence[Text], pad_id: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, attention mask and labels, each [B, L]; what is given carries no loss."""
    pad = torch.nn.utils.rnn.pad_sequence
    ids_BL = pad([text.ids_L for text in texts], batch_first=True, padding_value=pad_id)
    mask_BL = pad([torch.ones_like(text.ids_L) for text in texts], batch_first=True)
    labels_BL = ids_BL.clone()
    for row, text in enumerate(texts):
        labels_BL[row, : text.given] = _IGNORED
    return ids_BL, mask_BL, labels_BL
