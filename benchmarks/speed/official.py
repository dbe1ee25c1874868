"""The official way to compute a step and to sample (METHOD of arXiv 2605.30039's code), batched.

What their code does is kept: B rows behind the domain tokens, B rows behind their own sample
tokens, and all B² pairs, the diagonal a second time; logits of every position; padding to the
longest text; sampling one sequence at a time without keys and values. What is not kept is that
padding counts as labels, so that both sides compute the same loss.

Shapes: P domain tokens, Q sample tokens, H hidden size, B texts, R rows, F positions of a prefix,
L positions of the longest text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from domino.objective import Weights, objective
from domino.shared_prefix import Text

_IGNORED = -100
WEIGHTS = Weights(form="official")


def official_objective(
    model: Any, domain_PH: torch.Tensor, sample_BQH: torch.Tensor, texts: Sequence[Text]
) -> torch.Tensor:
    """Return the official objective, a scalar."""
    batch = len(texts)
    domain_BPH = domain_PH.expand(batch, -1, -1)
    prefix_BFH = torch.cat([domain_BPH, sample_BQH], 1)
    domain_B = _row_losses(model, domain_BPH, texts)
    own_B = _row_losses(model, prefix_BFH, texts)
    pair_R = _row_losses(model, prefix_BFH.repeat_interleave(batch, 0), list(texts) * batch)
    loss_BB = pair_R.view(batch, batch)
    terms = objective(domain_B, loss_BB, Weights(reconstruction=0, form="official"))
    return terms.total + own_B.mean()


def _row_losses(model: Any, prefix_RFH: torch.Tensor, texts: Sequence[Text]) -> torch.Tensor:
    ids_RL = torch.nn.utils.rnn.pad_sequence([text.ids_L for text in texts], batch_first=True)
    labels_RL = torch.nn.utils.rnn.pad_sequence(
        [text.ids_L for text in texts], batch_first=True, padding_value=_IGNORED
    )
    prefix = prefix_RFH.shape[1]
    # Labels move instead of logits, as in transformers: slicing logits would copy them.
    labels = functional.pad(labels_RL, (prefix - 1, 1), value=_IGNORED)
    embeds_RLH = model.get_input_embeddings()(ids_RL)
    inputs = torch.cat([prefix_RFH.to(embeds_RLH.dtype), embeds_RLH], 1)
    logits = model(inputs_embeds=inputs, use_cache=False).logits.float()
    loss = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED, reduction="none"
    )
    return loss.view_as(labels).sum(1) / (labels != _IGNORED).sum(1)


@torch.inference_mode()
def sample_one_by_one(model: Any, prompt_PH: torch.Tensor, count: int, new: int) -> int:
    """Draw `count` samples of `new` tokens, with a full forward pass per token; return tokens."""
    table = model.get_input_embeddings()
    generator = torch.Generator(model.device).manual_seed(0)
    for _ in range(count):
        embeds_1FH = prompt_PH.to(table.weight.dtype)[None]
        for _ in range(new):
            logits_1V = model(inputs_embeds=embeds_1FH, use_cache=False, logits_to_keep=1).logits
            probs_1V = torch.softmax(logits_1V[:, -1].float(), -1)
            token_11 = torch.multinomial(probs_1V, 1, generator=generator)
            embeds_1FH = torch.cat([embeds_1FH, table(token_11)], 1)
    return count * new
