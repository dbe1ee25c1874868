"""The official preset against the official run, written plainly from its equations."""

import dataclasses

import pytest
import torch

from domino.fit_config import FitConfig
from domino.fit_losses import FitLosses
from domino.fit_run import FitRun, epoch_batches
from domino.fitting import fit_tokens
from domino.official import padded_loss_matrix, padded_losses
from domino.records import derive_seed
from domino.shared_prefix import Text, domain_losses
from tests.tiny import make_model

H, PAD = 32, 3
LENGTHS = (7, 3, 9, 4, 6, 5, 8)
OFFICIAL = dataclasses.replace(FitConfig.official(), domain_tokens=3, sample_tokens=2, epochs=3)


@pytest.fixture(scope="module")
def model():
    return make_model()


def texts(count=None, given=0):
    draw = torch.Generator().manual_seed(5)
    return [Text(torch.randint(5, 320, (n,), generator=draw), given) for n in LENGTHS[:count]]


def slow_padded_loss(model, prefix, text, width):
    """CE of one text padded to a width, position by position, every position a label."""
    padding = torch.full((width - len(text),), PAD)
    ids = torch.cat([text.ids_L, padding])
    embeds = torch.cat([prefix, model.get_input_embeddings()(ids)])[None]
    mask = torch.ones(1, len(prefix) + width)
    mask[0, len(prefix) + len(text) :] = 0
    logits = model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).logits[0]
    start = len(prefix)
    picked = [
        torch.log_softmax(logits[start + t - 1].double(), -1)[ids[t]]
        for t in range(text.given, width)
    ]
    return -torch.stack(picked).mean()


def slow_objective(model, domain, samples, batch_texts):
    """Domain + reconstruction + log mean over i ≠ j of exp(-CE(x_j | d, s_i))."""
    width, size = max(map(len, batch_texts)), len(batch_texts)
    alone = [slow_padded_loss(model, domain, text, width) for text in batch_texts]
    matrix = [
        [slow_padded_loss(model, torch.cat([domain, s]), text, width) for text in batch_texts]
        for s in samples
    ]
    own = [matrix[j][j] for j in range(size)]
    others = [torch.exp(-matrix[i][j]) for i in range(size) for j in range(size) if i != j]
    return sum(alone) / size + sum(own) / size + torch.log(sum(others) / len(others))


def slow_run(model, all_texts, config, seed):
    """The official loop: AdamW over two embedding tables, clipped at 1, linear decay."""
    start = torch.Generator().manual_seed(derive_seed(seed, "initialisation"))
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    domain = torch.nn.Parameter(torch.randn(config.domain_tokens, H, generator=start))
    drawn = [torch.randn(config.sample_tokens, H, generator=start) for _ in all_texts]
    table = torch.nn.Parameter(torch.stack(drawn))
    optimizer = torch.optim.AdamW([domain, table], lr=1e-3, weight_decay=0.0)
    batches = [b for _ in range(config.epochs) for b in epoch_batches(len(all_texts), 3, order)]
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1 - done / len(batches))
    curve = []
    for batch in batches:
        optimizer.zero_grad()
        loss = slow_objective(model, domain, table[batch], [all_texts[i] for i in batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_([domain, table], 1.0)
        optimizer.step()
        decay.step()
        curve.append(float(loss.detach()))
    return domain.detach(), curve


def test_the_preset_takes_the_official_steps(model):
    rows = []
    fitted = fit_tokens(
        model, texts(), OFFICIAL, 4, pad_id=PAD, log=lambda metrics, step: rows.append(metrics)
    )
    domain, curve = slow_run(model, texts(), OFFICIAL, 4)
    assert [row["objective"] for row in rows] == pytest.approx(curve, rel=1e-4)
    moved = domain - FitRun(FitLosses(model, OFFICIAL), texts(), OFFICIAL, 4).domain_PH.detach()
    assert torch.allclose(fitted.domain_PH, domain, atol=2e-2 * float(moved.abs().max()))
    assert (fitted.step, fitted.held_out_loss) == (len(rows), None)


def test_the_preset_is_the_papers_run():
    config = FitConfig.official()
    assert (config.domain_tokens, config.sample_tokens, config.batch_size) == (256, 256, 3)
    assert (config.epochs, config.learning_rate, config.clip_norm) == (10, 1e-3, 1.0)
    assert (config.form, config.initialisation, config.padding) == ("official", "normal", "labels")
    weights = config.weights_at(1, 100)
    assert (weights.domain, weights.reconstruction, weights.contrastive) == (1, 1, 1)


@pytest.mark.parametrize("given", [0, 2])
def test_padding_is_predicted_like_text(model, given):
    draw = torch.Generator().manual_seed(1)
    domain = torch.randn(3, H, generator=draw)
    samples = torch.randn(3, 2, H, generator=draw)
    batch = texts(3, given)
    domain_B, loss_BB = padded_loss_matrix(model, domain, samples, batch, PAD)
    for j, text in enumerate(batch):
        assert float(domain_B[j]) == pytest.approx(
            float(slow_padded_loss(model, domain, text, 9)), rel=1e-5
        )
        for i in range(3):
            prefix = torch.cat([domain, samples[i]])
            expected = float(slow_padded_loss(model, prefix, text, 9))
            assert float(loss_BB[i, j]) == pytest.approx(expected, rel=1e-5)


def test_without_padding_the_official_losses_are_the_exact_ones(model):
    domain = torch.randn(3, H, generator=torch.Generator().manual_seed(1))
    text = texts(1)
    assert torch.allclose(
        padded_losses(model, domain, text * 2, PAD), domain_losses(model, domain, text * 2)
    )
