"""Losses of texts behind soft prefixes: exact, in float32, with the head on text positions only.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts of a batch, R rows of a forward
pass, F positions of a prefix, L positions of the longest text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

_IGNORED = -100


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Token ids [L] on the model's device; the first `given` of them carry no loss."""

    ids_L: torch.Tensor
    given: int = 0

    def __len__(self) -> int:
        return len(self.ids_L)


def loss_matrix(
    model: Any, domain_PH: torch.Tensor, sample_BQH: torch.Tensor, texts: Sequence[Text]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses behind the domain tokens, and the matrix behind the sample tokens too.

    Args:
        model: a frozen causal language model in eval mode.
        domain_PH: the domain tokens, shared by all texts.
        sample_BQH: sample tokens, one set for each text.
        texts: the B texts, of any lengths.

    Returns:
        `domain_B[j]` = CE(x_j | d) and `loss_BB[i, j]` = CE(x_j | d, s_i): mean negative
        log-likelihood per token, differentiable in both kinds of soft tokens.
    """
    count = len(texts)
    domain_BPH = domain_PH.expand(count, -1, -1)
    prefix_BFH = torch.cat([domain_BPH, sample_BQH], 1)
    prefix_RFH = prefix_BFH.repeat_interleave(count, 0)  # row i * B + j: prefix i, text j
    loss_R = text_losses(model, prefix_RFH, list(texts) * count)
    return domain_losses(model, domain_PH, texts), loss_R.view(count, count)


def domain_losses(model: Any, domain_PH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
    """Return CE(x_j | d) for each text, [B]."""
    return text_losses(model, domain_PH.expand(len(texts), -1, -1), texts)


def text_losses(model: Any, prefix_RFH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
    """Return each text's mean loss per token behind its own prefix, [R], float32.

    Texts are padded on the right: causal attention keeps padding out of every real position, so
    no mask is needed. A text's last token needs no position of its own.
    """
    ids_RL = torch.nn.utils.rnn.pad_sequence([text.ids_L for text in texts], batch_first=True)
    given = min(text.given for text in texts)
    labels_RL = _labels(texts)[:, given:]
    embeds_RLH = model.get_input_embeddings()(ids_RL[:, :-1])
    inputs = torch.cat([prefix_RFH.to(embeds_RLH.dtype), embeds_RLH], 1)
    # The logits at one position predict the next: the prefix's last predicts the first text token.
    logits_RLV = model(
        inputs_embeds=inputs, use_cache=False, logits_to_keep=labels_RL.shape[1]
    ).logits
    loss_RL = functional.cross_entropy(
        logits_RLV.float().transpose(1, 2), labels_RL, ignore_index=_IGNORED, reduction="none"
    )
    return loss_RL.sum(1) / (labels_RL != _IGNORED).sum(1)


def _labels(texts: Sequence[Text]) -> torch.Tensor:
    """Token ids [R, L] with padding and given tokens ignored."""
    labels = []
    for text in texts:
        labels_L = text.ids_L.clone()
        labels_L[: text.given] = _IGNORED
        labels.append(labels_L)
    return torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=_IGNORED)
