"""The state of one fit: tokens, optimiser, order of the references; and one step of it.

Shapes: N references trained on, P domain tokens, Q sample tokens, H hidden size, B batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from domino.diagnostics import step_metrics
from domino.distributed import World
from domino.fit_config import FitConfig
from domino.fit_losses import FitLosses
from domino.objective import Weights, objective
from domino.records import derive_seed
from domino.shared_prefix import Text
from domino.soft_tokens import Vocabulary, initial_tokens, nearest_cosine, norm_ratio


class FitRun:
    """What a fit trains, and how it takes a step.

    Args:
        passes: from soft tokens and texts to losses.
        texts: the N texts to train on.
        config: how.
        seed: of initialisation and order.
        initial_ids: the ids of `config.initial_text`.
        world: the processes that fit together.
    """

    def __init__(
        self,
        passes: FitLosses,
        texts: Sequence[Text],
        config: FitConfig,
        seed: int,
        *,
        initial_ids: Sequence[int] = (),
        world: World | None = None,
    ) -> None:
        self._passes, self._texts, self._config = passes, texts, config
        self._world = World() if world is None else world
        self._seed = seed
        self._vocabulary = Vocabulary(passes.model)
        start = torch.Generator().manual_seed(derive_seed(seed, "initialisation"))

        def new(count: int) -> torch.nn.Parameter:
            how = config.initialisation
            return torch.nn.Parameter(
                initial_tokens(self._vocabulary, count, how, start, initial_ids)
            )

        self.domain_PH = new(config.domain_tokens)
        uses_samples = config.weights.needs_matrix
        self.samples = [new(config.sample_tokens) for _ in texts] if uses_samples else []
        # One parameter for each reference: Adam passes over those without a gradient, so that
        # only the sample tokens of the batch move, unless dense updates are asked for.
        self.optimizer = torch.optim.Adam([self.domain_PH, *self.samples])

    @property
    def total_steps(self) -> int:
        """How many steps the config asks for."""
        if self._config.epochs is None:
            return self._config.steps
        return self._config.epochs * len(self._epoch(torch.Generator().manual_seed(0)))

    def batches(self) -> Iterator[list[int]]:
        """Yield the batches of all processes together, each epoch in a new order, for ever."""
        order = torch.Generator().manual_seed(derive_seed(self._seed, "order"))
        while True:
            yield from self._epoch(order)

    def step(
        self, batch: Sequence[int], *, learning_rate: float, weights: Weights
    ) -> dict[str, float]:
        """Take one optimiser step on the batch of all processes and return its metrics."""
        part = self._world.part(batch)
        share = len(part) / len(batch)
        domain_B, loss_BB = self._losses(part)
        terms = objective(domain_B, loss_BB, weights)
        self.optimizer.zero_grad(set_to_none=True)
        (share * terms.total).backward()
        norm = self._gradients(batch)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        means = self._world.mean(step_metrics(terms, loss_BB), share, domain_B.device)
        return means | {
            "norm_ratio": norm_ratio(self.domain_PH, self._vocabulary),
            "nearest_cosine": nearest_cosine(self.domain_PH, self._vocabulary),
            "gradient_norm": norm,
            "learning_rate": learning_rate,
        }

    def state(self) -> dict[str, Any]:
        """Return what a later process needs to go on from here, the order excepted."""
        return {
            "domain": self.domain_PH.detach(),
            "samples": [tokens.detach() for tokens in self.samples],
            "optimizer": self.optimizer.state_dict(),
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.domain_PH.copy_(state["domain"])
        for tokens, saved in zip(self.samples, state["samples"], strict=True):
            tokens.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])

    def _losses(self, part: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        texts = [self._texts[i] for i in part]
        if not self.samples:
            return self._passes.domain(self.domain_PH, texts), None
        sample_BQH = torch.stack([self.samples[i] for i in part])
        return self._passes.matrix(self.domain_PH, sample_BQH, texts)

    def _gradients(self, batch: Sequence[int]) -> float:
        """Add up and clip the gradients of all tokens that move; return their norm."""
        moving = [self.domain_PH, *(self.samples[i] for i in batch if self.samples)]
        self._world.add_gradients(moving)
        norm = torch.nn.utils.clip_grad_norm_(moving, self._config.clip_norm)
        if self._config.dense_updates:
            for tokens in self.samples:
                if tokens.grad is None:
                    tokens.grad = torch.zeros_like(tokens)
        return float(norm)

    def _epoch(self, order: torch.Generator) -> list[list[int]]:
        size = self._config.batch_size * self._world.size
        return epoch_batches(len(self._texts), size, order, least=2 * self._world.size)


def epoch_batches(
    count: int, size: int, generator: torch.Generator, *, least: int = 2
) -> list[list[int]]:
    """Cut a random order of all indices into batches, the last of at least `least` indices."""
    order = torch.randperm(count, generator=generator).tolist()
    batches = [order[start : start + size] for start in range(0, count, size)]
    if len(batches) > 1 and len(batches[-1]) < least:
        last = batches.pop()
        batches[-1] += last
    return batches
