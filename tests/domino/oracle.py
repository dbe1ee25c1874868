"""The official passes, written plainly from the equations: one whole sequence at a time.

`CE(x | prefix)` is the mean over the text's tokens of -log p(token | prefix, tokens before it),
without the tokens that are given. The domain term takes CE(x_j | d), the matrix CE(x_j | d, s_i).
"""

import torch


def slow_loss(model, prefix_FH, text):
    """CE of one text behind one prefix, token by token from a full forward pass."""
    embeds_TH = torch.cat([prefix_FH, model.get_input_embeddings()(text.ids_L)])
    logits_TV = model(inputs_embeds=embeds_TH[None], use_cache=False).logits[0].double()
    log_probs_TV = torch.log_softmax(logits_TV, -1)
    start = len(prefix_FH)
    picked = [
        log_probs_TV[start + t - 1, text.ids_L[t]] for t in range(text.given, len(text.ids_L))
    ]
    return -torch.stack(picked).mean()


def slow_matrix(model, domain_PH, sample_BQH, texts):
    """The losses behind the domain tokens [B], and behind each set of sample tokens too [B, B]."""
    domain_B = torch.stack([slow_loss(model, domain_PH, text) for text in texts])
    rows = [
        torch.stack([slow_loss(model, torch.cat([domain_PH, own_QH]), text) for text in texts])
        for own_QH in sample_BQH
    ]
    return domain_B, torch.stack(rows)
