import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AttentionInterface

from domino.passes import fused_loss
from domino.passes.support import obstacle
from domino.shared_prefix import Text, domain_losses, loss_matrix
from tests.domino.models import FAMILIES, family
from tests.domino.oracle import slow_matrix
from tests.tiny import make_model

H = 32
CASES = [
    # B, P, Q, lengths (repeated over the texts), given tokens
    (2, 4, 4, [7], 0),
    (3, 5, 2, [3, 9, 1], 0),
    (4, 1, 6, [12, 2, 5, 8], 1),
    (5, 2, 9, [3, 90, 4, 5], 2),  # so long a text runs in a bucket of its own
    (8, 3, 3, [4, 11, 6], 2),
]


def relative(got, want):
    got, want = got.detach().double(), want.detach().double()
    return float((got - want).norm() / want.norm())


def case(count, domain_tokens, sample_tokens, lengths, given, *, same_lead=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    domain = torch.randn(domain_tokens, H, generator=generator) * 0.3
    sample = torch.randn(count, sample_tokens, H, generator=generator) * 0.3
    texts = []
    for j in range(count):
        length = lengths[j % len(lengths)] + given
        ids = torch.randint(320, (length,), generator=generator)
        ids[:given] = torch.arange(given) if same_lead else ids[:given]
        texts.append(Text(ids, given))
    return domain.requires_grad_(), sample.requires_grad_(), texts


def results(function, model, *arguments, **options):
    """Losses and gradients under an objective that weighs every loss differently."""
    domain, sample, texts = case(*arguments, **options)
    count = len(texts)
    weights = torch.randn(count, count, generator=torch.Generator().manual_seed(1))
    domain_B, loss_BB = function(model, domain, sample, texts)
    (domain_B.mean() + (weights * loss_BB).sum()).backward()
    return domain_B, loss_BB, domain.grad, sample.grad


def cached(*arguments):
    return loss_matrix(*arguments, gradient_caching=True)


def assert_equal(got, want, tolerance=1e-5):
    for one, other in zip(got, want, strict=True):
        assert relative(one, other) < tolerance


@pytest.mark.parametrize("function", [loss_matrix, cached])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("kind", "tied"), [("qwen2", True), ("qwen2", False), ("llama", False)])
@pytest.mark.parametrize("arguments", CASES)
def test_losses_and_gradients_equal_the_equations(kind, tied, attention, function, arguments):
    model = family(kind, attention, tie_word_embeddings=tied)
    assert obstacle(model) is None  # or the plain passes would be compared
    assert_equal(results(function, model, *arguments), results(slow_matrix, model, *arguments))


@pytest.mark.parametrize("function", [loss_matrix, cached])
@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_of_models_gives_the_losses_of_the_equations(name, function, caplog):
    model, arguments = family(name), (3, 4, 3, [5, 9, 2], 1)
    with caplog.at_level(logging.WARNING):
        assert_equal(results(function, model, *arguments), results(slow_matrix, model, *arguments))
    assert ("cannot share prefixes" in caplog.text) == (name in ("window", "mamba"))


def lower_right(module, query, key, value, attention_mask, scaling, **_):
    """What flash attention computes: no mask given, the last query sees every key."""
    assert attention_mask is None
    key, value = (states.repeat_interleave(2, 1) for states in (key, value))
    scores = scaling * query @ key.transpose(2, 3)
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(1 + key.shape[2] - query.shape[2])
    weights = torch.softmax(scores.masked_fill(hidden, float("-inf")), -1)
    return (weights @ value).transpose(1, 2), None


def test_attention_that_makes_its_own_mask_gives_the_losses_of_the_equations():
    AttentionInterface.register("lower_right", lower_right)
    model = family("qwen2", "lower_right")
    assert obstacle(model) is None
    for arguments in CASES:
        assert_equal(
            results(loss_matrix, model, *arguments), results(slow_matrix, model, *arguments)
        )


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(st.integers(2, 8), st.integers(1, 6), st.integers(1, 6)),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    lead=st.integers(0, 4),
    same_lead=st.booleans(),
    seed=st.integers(0, 100),
)
def test_any_shape_gives_the_losses_of_the_equations(sizes, lengths, lead, same_lead, seed):
    model, options = make_model(), {"same_lead": same_lead, "seed": seed}
    arguments = (*sizes, lengths, lead)
    want = results(slow_matrix, model, *arguments, **options)
    assert_equal(results(loss_matrix, model, *arguments, **options), want)
    assert_equal(results(cached, model, *arguments, **options), want)


def positions_run(monkeypatch, model, *arguments, **options):
    """How many positions the model's body runs in the forward pass of one step."""
    counts = []
    forward = type(model.base_model).forward

    def spy(self, *args, **kwargs):
        counts.append(kwargs["inputs_embeds"].shape[0] * kwargs["inputs_embeds"].shape[1])
        return forward(self, *args, **kwargs)

    domain, sample, texts = case(*arguments, **options)
    loss_matrix(model, domain, sample, texts)  # the trial of the model comes first
    with monkeypatch.context() as patch:
        patch.setattr(type(model.base_model), "forward", spy)
        loss_matrix(model, domain, sample, texts)
    return sum(counts)


def test_each_prefix_runs_once_and_a_texts_last_token_never(monkeypatch):
    count, domain, sample, length = 3, 7, 5, 30
    expected = domain + count * sample + (count + count**2) * (length - 1)
    assert positions_run(monkeypatch, make_model(), count, domain, sample, [length], 0) == expected


def test_a_lead_that_all_texts_share_runs_once_for_each_prefix(monkeypatch):
    arguments = (3, 7, 5, [30], 6)
    shared = positions_run(monkeypatch, make_model(), *arguments, same_lead=True)
    assert shared == 7 + 3 * 5 + (1 + 3) * 6 + (3 + 9) * 29


def test_little_padding_runs_where_lengths_differ(monkeypatch):
    lengths = [60, 9, 57, 11]
    real = 7 + 4 * 5 + (1 + 4) * sum(length - 1 for length in lengths)
    assert positions_run(monkeypatch, make_model(), 4, 7, 5, lengths, 0) <= 1.1 * real


class LargestLogits(TorchDispatchMode):
    """Notes the most elements of any tensor whose last dimension is the vocabulary's."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary, self.largest = vocabulary, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            shape = tensor.shape if isinstance(tensor, torch.Tensor) else ()
            if shape[-1:] == (self.vocabulary,) and shape != (H, self.vocabulary):  # the head
                self.largest = max(self.largest, tensor.numel())
        return result


@pytest.mark.parametrize("function", [loss_matrix, cached])
def test_no_more_than_a_chunk_of_logits_is_ever_held(function, monkeypatch):
    model, chunk = make_model(vocabulary=321), 10
    results(function, model, *CASES[1])  # the trial of the model comes first
    monkeypatch.setitem(fused_loss._CHUNK_BYTES, "cpu", chunk * 321 * 4)
    with LargestLogits(321) as logits:
        got = results(function, model, *CASES[4])
    assert logits.largest == chunk * 321
    assert_equal(got, results(slow_matrix, model, *CASES[4]))


def test_gradient_caching_keeps_no_graph_of_the_losses():
    model, kept = make_model(), {}
    domain, sample, texts = case(*CASES[3])
    for function in (loss_matrix, cached):
        saved = kept[function] = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda tensor: tensor):
            function(model, domain, sample, texts)
    assert len(kept[loss_matrix]) > 50
    assert [tensor.shape for tensor in kept[cached]] == [domain.shape, sample.shape]


@pytest.mark.parametrize("kind", ["domain", "matrix"])
def test_a_term_that_takes_one_kind_of_loss_gets_its_gradients_from_the_cache(kind):
    grads = []
    for function in (loss_matrix, cached):
        domain, sample, texts = case(*CASES[1])
        domain_B, loss_BB = function(make_model(), domain, sample, texts)
        (domain_B.sum() if kind == "domain" else loss_BB[0, 1]).backward()
        grads.append([tokens.grad for tokens in (domain, sample) if tokens.grad is not None])
    assert len(grads[0]) == len(grads[1]) == (1 if kind == "domain" else 2)
    assert_equal(grads[1], grads[0])


def test_a_texts_losses_do_not_depend_on_what_it_is_padded_to():
    model = make_model()
    domain, sample, texts = case(4, 3, 3, [5, 17, 9, 2], 0)
    _, together = loss_matrix(model, domain, sample, texts)
    _, pair = loss_matrix(model, domain, sample[[0, 3]], [texts[0], texts[3]])
    assert torch.allclose(together[[0, 3]][:, [0, 3]], pair, atol=1e-5)


def test_losses_behind_the_domain_tokens_alone_are_those_of_the_matrix_step():
    model = make_model()
    domain, sample, texts = case(*CASES[2])
    both, _ = loss_matrix(model, domain, sample, texts)
    assert torch.allclose(domain_losses(model, domain, texts), both, atol=1e-6)


def test_weights_get_no_gradient():
    model = make_model()
    for function in (loss_matrix, cached):
        results(function, model, *CASES[0])
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("function", [loss_matrix, cached])
def test_losses_stay_float32_over_a_bfloat16_backbone(function):
    model = make_model().to(torch.bfloat16)
    got = results(function, model, *CASES[2])
    assert all(tensor.dtype == torch.float32 for tensor in got)
    assert_equal(got, results(slow_matrix, make_model(), *CASES[2]), tolerance=0.05)


def test_autocast_of_the_forward_pass_holds_in_a_cached_backward_pass():
    model = make_model()
    grads = []
    for function in (loss_matrix, cached):
        domain, sample, texts = case(*CASES[3])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, loss_BB = function(model, domain, sample, texts)
        loss_BB.sum().backward()
        grads.append(sample.grad)
    assert relative(grads[1], grads[0]) < 1e-3 < relative(grads[0], exact_sample_gradient(model))


def exact_sample_gradient(model):
    domain, sample, texts = case(*CASES[3])
    loss_matrix(model, domain, sample, texts)[1].sum().backward()
    return sample.grad


def test_a_model_with_a_window_shares_prefixes_until_the_texts_outgrow_it(caplog):
    model = family("mistral")
    model.config.sliding_window = 40
    with caplog.at_level(logging.WARNING):
        domain_losses(model, torch.zeros(4, H), [Text(torch.arange(20))])
        assert not caplog.text
        for _ in range(2):
            domain_losses(model, torch.zeros(4, H), [Text(torch.arange(40))])
    assert caplog.text.count("its attention sees 40 positions, this fit has 44") == 1


def test_a_head_that_scales_in_an_unknown_way_is_found_out(caplog):
    model = make_model()
    forward = model.forward
    model.forward = lambda *args, **kwargs: _scaled(forward(*args, **kwargs))
    with caplog.at_level(logging.WARNING):
        domain_losses(model, torch.zeros(4, H), [Text(torch.arange(9))])
    assert "its losses behind a shared prefix are off by" in caplog.text


def _scaled(output):
    output.logits = output.logits * 2
    return output
