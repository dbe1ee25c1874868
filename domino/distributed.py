"""Data-parallel fits: each process takes a part of every batch, and all have the same tokens.

References are divided, tokens are replicated: gradients are summed over processes, and all take the
same step. Negatives are local: a text is compared only with sample tokens of the references in its
own process. So only gradients of soft tokens are exchanged, and the objective does not depend on
the number of processes. With gathered negatives the contrastive term would change with that number,
and every process would have to run its texts with the prefixes of all others.
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
    """The processes of a fit.

    Attributes:
        rank: number of this process, from 0; the first one evaluates, logs and writes.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def of(cls, device: torch.device) -> Self:
        """Return the processes started by `accelerate launch` or torchrun, or only this one.

        Args:
            device: of the model; a CPU uses the backend gloo, a GPU nccl.
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
        """Return this process's part of a batch; lengths of parts differ by at most one."""
        bounds = [len(batch) * rank // self.size for rank in (self.rank, self.rank + 1)]
        return list(batch[slice(*bounds)])

    def add_gradients(self, tokens: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes; a missing one counts as zeros."""
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
        """Return the mean of metrics over processes, weighted by their shares of the batch."""
        if self.size == 1:
            return dict(metrics)
        values = torch.tensor(list(metrics.values()), device=device) * share
        distributed.all_reduce(values)
        return dict(zip(metrics, values.tolist(), strict=True))

    def from_first(self, make: Callable[[], _T]) -> _T:
        """Call `make` in the first process, and return its result in every process."""
        if self.size == 1:
            return make()
        made: list[_T | None] = [make() if self.first else None]
        distributed.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]
