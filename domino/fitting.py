"""The optimisation loop: soft tokens that reconstruct the references behind a frozen model.

Shapes: N references trained on, P domain tokens, Q sample tokens, H hidden size, B batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from domino.fit_config import FitConfig, FittingError
from domino.objective import Terms, objective
from domino.records import derive_seed
from domino.shared_prefix import Text, domain_losses, loss_matrix
from domino.soft_tokens import initial_tokens, nearest_cosine, norm_ratio

Log = Callable[[Mapping[str, float], int], None]
HOLD_OUT_FROM = 8
"""With fewer references than this, all are trained on and the last step counts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """The domain tokens [P, H] of the best step, float32 on the CPU.

    `held_out_loss` is None where no reference was held out; `step` is then the last one.
    """

    domain_PH: torch.Tensor
    step: int
    held_out_loss: float | None


def fit_tokens(
    model: Any,
    texts: Sequence[Text],
    config: FitConfig,
    seed: int,
    *,
    initial_ids: Sequence[int] = (),
    log: Log = lambda metrics, step: None,
) -> Fitted:
    """Fit soft tokens to texts; equal seeds give equal tokens.

    Args:
        model: a causal language model in eval mode whose weights are frozen.
        texts: at least two, each with an end token, or samples never stop.
        config: how.
        seed: of initialisation, order and hold-out.
        initial_ids: the ids of `config.initial_text`.
        log: called after each step with every term, loss, norm and cosine.

    Raises:
        FittingError: the model is not frozen, the texts do not fit it, or the objective is not
            finite.
    """
    check_frozen(model)
    check_texts(model, texts, config)
    kept, held_out = split(len(texts), config.held_out, seed)
    run = _Run(model, [texts[i] for i in kept], config, seed, initial_ids)
    best = _Best(model, [texts[i] for i in held_out], config)
    total = config.steps if config.epochs is None else config.epochs * run.batches_per_epoch
    for step, batch in zip(range(1, total + 1), run.batches(), strict=False):
        metrics = run.step(batch, learning_rate=config.learning_rate * (1 - (step - 1) / total))
        if not math.isfinite(metrics["objective"]):
            raise FittingError(
                f"the objective is {metrics['objective']} at step {step}: lower learning_rate "
                f"(now {config.learning_rate}), use form 'bounded', or check the weights for NaN"
            )
        if step % config.evaluate_every == 0 or step == total:
            metrics |= best.look(run.domain_PH, step)
        log(metrics, step)
        if best.exhausted:
            break
    return best.fitted(run.domain_PH, step)


def check_frozen(model: Any) -> None:
    """Refuse a model that would collect weight gradients, or drop out.

    Raises:
        FittingError: a weight requires a gradient, or the model is in training mode.
    """
    named = model.named_parameters()
    if trainable := next((name for name, weight in named if weight.requires_grad), None):
        raise FittingError(
            f"the backbone's weight {trainable!r} requires a gradient: call requires_grad_(False)"
        )
    if model.training:
        raise FittingError("the backbone is in training mode: call eval()")


def check_texts(model: Any, texts: Sequence[Text], config: FitConfig) -> None:
    """Refuse texts that cannot be fitted.

    Raises:
        FittingError: fewer than two, an empty one, or one longer than the model's context.
    """
    if len(texts) < 2:
        raise FittingError(f"a fit needs at least 2 references, got {len(texts)}: add examples")
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    room = (context or math.inf) - config.domain_tokens - config.sample_tokens
    for index, text in enumerate(texts):
        if len(text) <= text.given:
            raise FittingError(f"reference {index} is empty: drop it")
        if len(text) > room:
            raise FittingError(
                f"reference {index} has {len(text)} tokens and the soft tokens leave {room}: "
                "shorten or drop it, or lower domain_tokens and sample_tokens"
            )


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices to train on and those to hold out, each in their own order."""
    held_out = round(count * share) if count >= HOLD_OUT_FROM else 0
    generator = torch.Generator().manual_seed(derive_seed(seed, "hold out"))
    order = torch.randperm(count, generator=generator).tolist()
    held_out = min(held_out, count - 2)
    return sorted(order[held_out:]), sorted(order[:held_out])


def epoch_batches(count: int, size: int, generator: torch.Generator) -> list[list[int]]:
    """Cut a random order of all indices into batches, none of them of one index."""
    order = torch.randperm(count, generator=generator).tolist()
    batches = [order[start : start + size] for start in range(0, count, size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


class _Run:
    """The state of one fit: tokens, optimiser, order of the references."""

    def __init__(
        self,
        model: Any,
        texts: Sequence[Text],
        config: FitConfig,
        seed: int,
        initial_ids: Sequence[int],
    ) -> None:
        self._model, self._texts, self._config = model, texts, config
        self._table_VH = model.get_input_embeddings().weight
        start = torch.Generator().manual_seed(derive_seed(seed, "initialisation"))

        def new(count: int) -> torch.nn.Parameter:
            how = config.initialisation
            return torch.nn.Parameter(
                initial_tokens(self._table_VH, count, how, start, initial_ids)
            )

        self.domain_PH = new(config.domain_tokens)
        uses_samples = config.weights.needs_matrix
        self._samples = [new(config.sample_tokens) for _ in texts] if uses_samples else []
        # One parameter for each reference: Adam passes over those without a gradient, so that
        # only the sample tokens of the batch move.
        self._optimizer = torch.optim.Adam([self.domain_PH, *self._samples])
        self._order = torch.Generator().manual_seed(derive_seed(seed, "order"))

    @property
    def batches_per_epoch(self) -> int:
        """How many steps one pass over the references takes."""
        count = torch.Generator().manual_seed(0)
        return len(epoch_batches(len(self._texts), self._config.batch_size, count))

    def batches(self) -> Iterator[list[int]]:
        """Yield batches for ever, each epoch in a new order."""
        while True:
            yield from epoch_batches(len(self._texts), self._config.batch_size, self._order)

    def step(self, batch: Sequence[int], *, learning_rate: float) -> dict[str, float]:
        """Take one optimiser step and return its metrics."""
        domain_B, loss_BB = self._losses(batch)
        terms = objective(domain_B, loss_BB, self._config.weights)
        self._optimizer.zero_grad(set_to_none=True)
        terms.total.backward()
        moving = [self.domain_PH, *(self._samples[i] for i in batch if self._samples)]
        norm = torch.nn.utils.clip_grad_norm_(moving, self._config.clip_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        return self._metrics(terms, loss_BB) | {
            "gradient_norm": float(norm),
            "learning_rate": learning_rate,
        }

    def _losses(self, batch: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        texts = [self._texts[i] for i in batch]
        if not self._samples:
            return domain_losses(self._model, self.domain_PH, texts), None
        sample_BQH = torch.stack([self._samples[i] for i in batch])
        return loss_matrix(self._model, self.domain_PH, sample_BQH, texts)

    def _metrics(self, terms: Terms, loss_BB: torch.Tensor | None) -> dict[str, float]:
        values = {"objective": terms.total, "domain": terms.domain}
        if terms.reconstruction is not None:
            values["reconstruction"] = terms.reconstruction
        if terms.contrastive is not None:
            values["contrastive"] = terms.contrastive
        if loss_BB is not None:
            loss_BB = loss_BB.detach()
            own = loss_BB.diagonal()
            values["diagonal_loss"] = own.mean()
            pairs = max(loss_BB.numel() - len(own), 1)
            values["off_diagonal_loss"] = (loss_BB.sum() - own.sum()) / pairs
        return {name: float(value.detach()) for name, value in values.items()} | {
            "norm_ratio": norm_ratio(self.domain_PH, self._table_VH),
            "nearest_cosine": nearest_cosine(self.domain_PH, self._table_VH),
        }


class _Best:
    """Keeps the domain tokens with the lowest held-out loss."""

    def __init__(self, model: Any, texts: Sequence[Text], config: FitConfig) -> None:
        self._model, self._texts, self._config = model, texts, config
        self._best: Fitted | None = None
        self._fruitless = 0

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self._config.patience <= self._fruitless

    @torch.no_grad()
    def look(self, domain_PH: torch.Tensor, step: int) -> dict[str, float]:
        """Measure the held-out loss, where there is anything to measure it on."""
        if not self._texts:
            return {}
        size = self._config.batch_size
        parts = [self._texts[start : start + size] for start in range(0, len(self._texts), size)]
        losses = torch.cat([domain_losses(self._model, domain_PH, part) for part in parts])
        loss = float(losses.mean())
        if self._best is None or loss < (self._best.held_out_loss or math.inf):
            self._best = _fitted(domain_PH, step, loss)
            self._fruitless = 0
        else:
            self._fruitless += 1
        return {"held_out": loss}

    def fitted(self, domain_PH: torch.Tensor, step: int) -> Fitted:
        """Return the best tokens, or the last where nothing was held out."""
        return self._best or _fitted(domain_PH, step, None)


def _fitted(domain_PH: torch.Tensor, step: int, loss: float | None) -> Fitted:
    tokens_PH = domain_PH.detach().float().cpu().clone()
    return Fitted(domain_PH=tokens_PH, step=step, held_out_loss=loss)
