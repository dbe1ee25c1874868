"""Training a contextual prompt: each reference is reconstructed behind the prompt of its own.

Shapes: N references, B references of a batch, P prompt tokens, H hidden size, L tokens of a text.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from baselines.softsrv.config import SoftSRVConfig
from baselines.softsrv.prompt import ContextualPrompt
from domino.fit_config import FittingError
from domino.fitting import Log, check_frozen, split
from domino.records import derive_seed
from domino.shared_prefix import Text, domain_losses
from domino.soft_tokens import Vocabulary


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trained:
    """The parameters of the step with the lowest held-out loss.

    `held_out_loss` is None where no reference was held out; `step` is then the last one.
    """

    prompt: ContextualPrompt
    step: int
    held_out_loss: float | None


@torch.no_grad()
def contexts(model: Any, texts: Sequence[Text]) -> torch.Tensor:
    """Return the mean last hidden state of each text, standardised over the texts, [N, H].

    What is given and not predicted is read, and left out of the mean.
    """
    means = []
    for text in texts:
        state_LH = model.base_model(input_ids=text.ids_L[None], use_cache=False)[0][0]
        means.append(state_LH[text.given :].float().mean(0))
    mean_NH = torch.stack(means)
    spread_H = mean_NH.std(0, correction=0).clamp_min(torch.finfo(torch.float32).eps)
    return (mean_NH - mean_NH.mean(0)) / spread_H


def train(
    model: Any,
    texts: Sequence[Text],
    context_NH: torch.Tensor,
    config: SoftSRVConfig,
    seed: int,
    log: Log = lambda metrics, step: None,
) -> Trained:
    """Minimise the mean over references of CE(x | P(z)); equal seeds give equal parameters.

    Args:
        model: a causal language model in eval mode whose weights are frozen.
        texts: the references, each with an end token, or samples never stop.
        context_NH: the embedding z of each reference.
        config: how.
        seed: of initialisation, order and hold-out.
        log: called after each step with the loss, and now and then with the held-out loss.

    Raises:
        FittingError: the model is not frozen, or the loss is not finite.
    """
    check_frozen(model)
    run = _Run(model, texts, context_NH, config, seed)
    for step in range(1, config.steps + 1):
        metrics = run.step(config.learning_rate * (1 - (step - 1) / config.steps))
        if step % config.evaluate_every == 0 or step == config.steps:
            metrics |= run.look(step)
        if wrong := [value for value in metrics.values() if not math.isfinite(value)]:
            raise FittingError(
                f"a loss of SoftSRV is {wrong[0]} at step {step}: lower learning_rate (now "
                f"{config.learning_rate}), or check the weights for NaN"
            )
        log(metrics, step)
    return run.best


class _Run:
    """The state of one training: parameters, optimiser, order, the best step so far."""

    best: Trained

    def __init__(
        self,
        model: Any,
        texts: Sequence[Text],
        context_NH: torch.Tensor,
        config: SoftSRVConfig,
        seed: int,
    ) -> None:
        self._model, self._texts, self._context_NH = model, texts, context_NH
        self._config = config
        vocabulary = Vocabulary(model)
        self._prompt = ContextualPrompt(config, vocabulary, derive_seed(seed, "initialisation"))
        self._optimizer = torch.optim.Adam(self._prompt.parameters())
        self._kept, self._held_out = split(len(texts), config.held_out, seed)
        self._batches = self._endless(random.Random(derive_seed(seed, "order")))
        self._lowest = math.inf

    def _endless(self, randomness: random.Random) -> Iterator[list[int]]:
        """Yield batches of one random order of the references after another."""
        size = self._config.batch_size
        while True:
            order = randomness.sample(self._kept, len(self._kept))
            yield from (order[start : start + size] for start in range(0, len(order), size))

    def step(self, rate: float) -> dict[str, float]:
        """Take one step at a learning rate."""
        loss = self._losses(next(self._batches)).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._prompt.parameters(), self._config.clip_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return {"objective": float(loss.detach()), "gradient_norm": float(norm)}

    @torch.no_grad()
    def look(self, step: int) -> dict[str, float]:
        """Keep the parameters where nothing is held out, or where that loss is the lowest."""
        if not self._held_out:
            self._keep(step, None)
            return {}
        size = self._config.batch_size
        starts = range(0, len(self._held_out), size)
        parts = [self._losses(self._held_out[start : start + size]) for start in starts]
        loss = float(torch.cat(parts).mean())
        if loss < self._lowest:
            self._lowest = loss
            self._keep(step, loss)
        return {"held_out": loss}

    def _keep(self, step: int, loss: float | None) -> None:
        self.best = Trained(prompt=copy.deepcopy(self._prompt), step=step, held_out_loss=loss)

    def _losses(self, batch: Sequence[int]) -> torch.Tensor:
        """Return CE(x | P(z)) of each reference of a batch, [B]."""
        prompt_BPH = self._prompt(self._context_NH[batch])
        losses = [
            domain_losses(self._model, prompt_PH, [self._texts[index]])
            for prompt_PH, index in zip(prompt_BPH, batch, strict=True)
        ]
        return torch.cat(losses)
