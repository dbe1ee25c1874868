"""The processes of one fit: each takes its part of every batch, all hold the same tokens.

References are divided, tokens are replicated: every process adds its gradients to the others' and
takes the same step. Negatives are local: a text meets the sample tokens of the references in its
own process only. So a process does what it would do alone with the same `batch_size`, nothing but
gradients of soft tokens is exchanged, and what is minimised does not depend on how many processes
there are. With gathered negatives the contrastive term would change with that number, and every
process would have to run its texts behind everyone's prefixes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import torch
from torch import distributed

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class World:
    """The processes that fit together, as one of them sees them.

    Attributes:
        rank: this process, from 0; the first one evaluates, logs and writes.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def of(cls, device: torch.device) -> Self:
        """Return the processes that `accelerate launch` or torchrun started, or this one alone.

        Args:
            device: the model's; on a CPU they talk through gloo, else through nccl.
        """
        if not distributed.is_initialized():
            if int(os.environ.get("WORLD_SIZE", "1")) < 2:
                return cls()
            from accelerate import PartialState

            PartialState(cpu=device.type == "cpu")
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates, logs and writes."""
        return self.rank == 0

    def part(self, batch: Sequence[int]) -> list[int]:
        """Return this process's part of a batch; parts differ by at most one in length."""
        bounds = [len(batch) * rank // self.size for rank in (self.rank, self.rank + 1)]
        return list(batch[slice(*bounds)])

    def add_gradients(self, tokens: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes; none counts as zeros."""
        if self.size == 1:
            return
        gradients = [torch.zeros_like(t) if t.grad is None else t.grad for t in tokens]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = flat.split([t.numel() for t in tokens])
        for parameter, part in zip(tokens, parts, strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def mean(
        self, metrics: Mapping[str, float], share: float, device: torch.device
    ) -> dict[str, float]:
        """Return the mean of metrics over processes, each weighing its share of the batch."""
        if self.size == 1:
            return dict(metrics)
        values = torch.tensor(list(metrics.values()), device=device) * share
        distributed.all_reduce(values)
        return dict(zip(metrics, values.tolist(), strict=True))

    def from_first(self, make: Callable[[], _T]) -> _T:
        """Return what `make` returns in the first process, in every process."""
        if self.size == 1:
            return make()
        made: list[_T | None] = [make() if self.first else None]
        distributed.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]
