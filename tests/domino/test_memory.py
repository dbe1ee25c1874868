import pytest
import torch

from domino.passes import fused_loss
from domino.shared_prefix import MemoryEstimate, Text, estimate_memory, loss_matrix
from tests.domino.models import family

GIB = 2**30


def saved_bytes(model, domain_tokens, sample_tokens, batch, length):
    """What autograd keeps of one step, each storage once, the model's own left out."""
    width = model.config.hidden_size
    domain = torch.randn(domain_tokens, width).requires_grad_()
    sample = torch.randn(batch, sample_tokens, width).requires_grad_()
    texts = [Text(torch.randint(320, (length,))) for _ in range(batch)]
    own = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that it is not reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = loss_matrix(model, domain, sample, texts)
    assert losses
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    "changes", [{}, {"intermediate_size": 160}, {"hidden_size": 64, "num_hidden_layers": 4}]
)
@pytest.mark.parametrize("lengths", [(32, 32, 3, 64), (16, 96, 2, 60), (40, 8, 5, 50)])
def test_the_estimate_is_what_autograd_keeps_and_a_margin(attention, changes, lengths, monkeypatch):
    monkeypatch.setitem(fused_loss._CHUNK_BYTES, "cpu", 4096)
    model = family("qwen2", attention, max_position_embeddings=256, **changes)
    names = ("domain_tokens", "sample_tokens", "batch_size", "text_tokens")
    estimate = estimate_memory(model, **dict(zip(names, lengths, strict=True)))
    kept = saved_bytes(model, *lengths)
    assert kept < estimate.direct_bytes < 1.5 * kept
    # One row of the matrix in place of all of them and of the domain's.
    assert estimate.cached_bytes < estimate.direct_bytes / (0.8 * lengths[2])


def test_plain_passes_are_estimated_with_their_whole_logits(monkeypatch):
    monkeypatch.setitem(fused_loss._CHUNK_BYTES, "cpu", 4096)
    lengths = {"domain_tokens": 8, "sample_tokens": 8, "batch_size": 3, "text_tokens": 100}
    shared = estimate_memory(family("mistral"), **lengths)
    plain = estimate_memory(family("window"), **lengths)
    assert plain.direct_bytes - shared.direct_bytes > (3 + 9) * 100 * 320 * 3 * 4


def test_gradients_are_cached_where_a_step_would_not_fit():
    fits = MemoryEstimate(direct_bytes=4 * GIB, cached_bytes=GIB, free_bytes=8 * GIB)
    tight = MemoryEstimate(direct_bytes=7 * GIB, cached_bytes=GIB, free_bytes=8 * GIB)
    assert [estimate.gradient_caching("auto") for estimate in (fits, tight)] == [False, True]
    assert fits.gradient_caching("always")
    assert not tight.gradient_caching("never")
    assert fits.describe() == (
        "a step needs about 4.00 GiB plus the weights, 1.00 GiB with gradient caching; "
        "8.00 GiB are free"
    )


def test_an_unknown_memory_mode_is_refused():
    estimate = MemoryEstimate(direct_bytes=1, cached_bytes=1, free_bytes=1)
    with pytest.raises(ValueError, match="memory mode is 'auot': give 'auto', 'always' or 'never'"):
        estimate.gradient_caching("auot")


def test_free_memory_is_asked_of_the_device():
    lengths = {"domain_tokens": 4, "sample_tokens": 4, "batch_size": 2, "text_tokens": 10}
    assert estimate_memory(family("llama"), **lengths).free_bytes > 2**24
    assert estimate_memory(family("llama"), **lengths, free_bytes=5).free_bytes == 5
