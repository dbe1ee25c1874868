"""Every attention that this machine has: losses and gradients against plain passes in float32."""

import importlib.util

import pytest
import torch

from domino.passes.plain import PlainPasses
from domino.passes.support import obstacle
from domino.shared_prefix import Text, loss_matrix
from tests.domino.test_shared_prefix import relative
from tests.tiny import make_model

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
SIZES = {  # heads of 64, since flex and flash attention have least sizes
    "hidden_size": 256, "intermediate_size": 512, "max_position_embeddings": 256,
    "initializer_range": 0.06,  # so that attention is far from a hard choice
}  # fmt: skip
FLASH = pytest.mark.skipif(
    importlib.util.find_spec("flash_attn") is None, reason="flash-attn is not installed"
)


def drawn(device):
    """Soft tokens and ragged texts, longer than one block of flex attention's mask."""
    draw = torch.Generator().manual_seed(0)
    domain = torch.randn(40, 256, generator=draw) * 0.06
    sample = torch.randn(3, 24, 256, generator=draw) * 0.06
    texts = [Text(torch.randint(320, (n,), generator=draw).to(device), 2) for n in (150, 33, 7)]
    return (tokens.to(device).requires_grad_() for tokens in (domain, sample)), texts


def plain(model, domain_PH, sample_BQH, texts):
    passes = PlainPasses(model)
    trunk = passes.trunk(domain_PH)
    return passes.losses(trunk, None, texts)[0], passes.losses(trunk, sample_BQH, texts)


def cached(*arguments):
    return loss_matrix(*arguments, gradient_caching=True)


def results(function, model, device):
    (domain, sample), texts = drawn(device)
    weights = torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).to(device)
    domain_B, loss_BB = function(model, domain, sample, texts)
    (domain_B.mean() + (weights * loss_BB).sum()).backward()
    return domain_B, loss_BB, domain.grad, sample.grad


def check(attention, dtype, device, function):
    """Hold loss and both gradients against the same weights' plain passes in float32."""
    model = make_model(attn_implementation=attention, **SIZES).to(device, dtype)
    exact = make_model(attn_implementation="eager", **SIZES)
    exact.load_state_dict(model.state_dict())  # the rounded weights
    exact = exact.to(device)
    assert obstacle(model) is None  # or plain passes would be compared with themselves
    got, want = results(function, model, device), results(plain, exact, device)
    for name, one, other in zip(
        ("domain", "matrix", "d domain", "d sample"), got, want, strict=True
    ):
        off = relative(one, other)
        assert off < TOLERANCE[dtype], f"{name} with {attention} in {dtype} is off by {off:.1e}"


@pytest.mark.parametrize("function", [loss_matrix, cached])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_and_gradients_are_the_plain_passes_on_a_cpu(attention, dtype, function):
    check(attention, dtype, "cpu", function)


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")  # of compilers
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("function", [loss_matrix, cached])
@pytest.mark.parametrize(
    "attention", ["eager", "sdpa", "flex_attention", pytest.param("flash_attention_2", marks=FLASH)]
)
def test_losses_and_gradients_are_the_plain_passes_on_a_gpu(attention, function):
    check(attention, torch.bfloat16, "cuda", function)
