import pytest
import torch

from domino.shared_prefix import Text, loss_matrix
from tests.tiny import make_model

H = 32


def slow_loss(model, prefix_FH, text):
    """CE of one text behind one prefix, token by token from a full forward pass."""
    embeds = torch.cat([prefix_FH, model.get_input_embeddings()(text.ids_L)])
    logits = model(inputs_embeds=embeds[None], use_cache=False).logits[0].double()
    log_probs = torch.log_softmax(logits, -1)
    start = len(prefix_FH)
    picked = [log_probs[start + t - 1, text.ids_L[t]] for t in range(text.given, len(text.ids_L))]
    return -torch.stack(picked).mean()


def slow_matrix(model, domain, sample, texts):
    """The official passes by their equations, one sequence at a time."""
    domain_B = torch.stack([slow_loss(model, domain, text) for text in texts])
    rows = [
        torch.stack([slow_loss(model, torch.cat([domain, own]), text) for text in texts])
        for own in sample
    ]
    return domain_B, torch.stack(rows)


def relative(got, want):
    got, want = got.detach().double(), want.detach().double()
    return float((got - want).norm() / want.norm())


def case(count, domain_tokens, sample_tokens, lengths, given, seed=0):
    generator = torch.Generator().manual_seed(seed)
    domain = torch.randn(domain_tokens, H, generator=generator) * 0.3
    sample = torch.randn(count, sample_tokens, H, generator=generator) * 0.3
    texts = [
        Text(torch.randint(320, (lengths[j % len(lengths)],), generator=generator), given)
        for j in range(count)
    ]
    return domain.requires_grad_(), sample.requires_grad_(), texts


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("count", "domain_tokens", "sample_tokens", "lengths", "given"),
    [
        (2, 4, 4, [7], 0),
        (3, 5, 2, [3, 9, 1], 0),
        (4, 1, 6, [12, 2, 5, 8], 1),
        (8, 3, 3, [4, 11, 6], 2),
    ],
)
def test_losses_and_gradients_equal_the_equations(
    kind, tied, count, domain_tokens, sample_tokens, lengths, given
):
    if given >= min(lengths):
        lengths = [length + given for length in lengths]
    model = make_model(kind, tie_word_embeddings=tied)
    weights = torch.randn(count, count, generator=torch.Generator().manual_seed(1))
    results = []
    for function in (loss_matrix, slow_matrix):
        domain, sample, texts = case(count, domain_tokens, sample_tokens, lengths, given)
        domain_B, loss_BB = function(model, domain, sample, texts)
        (domain_B.mean() + (weights * loss_BB).sum()).backward()
        results.append((domain_B, loss_BB, domain.grad, sample.grad))
    for got, want in zip(*results, strict=True):
        assert relative(got, want) < 1e-5


def test_a_texts_losses_do_not_depend_on_what_it_is_padded_to():
    model = make_model()
    domain, sample, texts = case(4, 3, 3, [5, 17, 9, 2], 0)
    _, together = loss_matrix(model, domain, sample, texts)
    _, pair = loss_matrix(model, domain, sample[[0, 3]], [texts[0], texts[3]])
    assert torch.allclose(together[[0, 3]][:, [0, 3]], pair, atol=1e-5)


def test_weights_get_no_gradient():
    model = make_model()
    domain, sample, texts = case(2, 3, 3, [5, 6], 0)
    loss_matrix(model, domain, sample, texts)[1].sum().backward()
    assert all(weight.grad is None for weight in model.parameters())


def test_losses_stay_float32_over_a_bfloat16_backbone():
    model = make_model().to(torch.bfloat16)
    domain, sample, texts = case(2, 3, 3, [5, 6], 0)
    domain_B, loss_BB = loss_matrix(model, domain, sample, texts)
    loss_BB.sum().backward()
    assert domain_B.dtype == loss_BB.dtype == domain.grad.dtype == torch.float32
