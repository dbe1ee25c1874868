"""What each of several processes takes of every batch that a single process would take.

The Trainer's own way divides batches of a fixed size per process: the order then depends on how
many processes there are, and the last batch of an epoch is filled up with pairs of its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domino.distributed import World

_NO_LOSS = -100  # what torch's cross-entropy ignores


class SharedBatches:
    """The micro-batches of one process, as indices.

    A batch is cut into rounds of one micro-batch for each process, so that all processes go
    through the model, and add up their gradients, equally often. Who is left without a pair in the
    last round takes the blank one, which carries no loss.
    """

    def __init__(
        self, order: Iterable[int], count: int, *, world: World, batch: int, micro: int, blank: int
    ) -> None:
        """Share out `order`.

        Args:
            order: indices of the pairs, drawn anew at each iteration; the first process's counts.
            count: how many they are.
            world: the processes.
            batch: pairs in an optimiser step, of all processes together.
            micro: pairs that go through one process's model at once.
            blank: index of the pair without loss.
        """
        self._order, self._count, self._world = order, count, world
        self._batch, self._micro, self._blank = batch, micro, blank

    def __len__(self) -> int:
        """Return how many micro-batches an iteration has: the same for every process."""
        return sum(1 for _ in self._rounds())

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's micro-batches of one epoch."""
        order = self._world.from_first(lambda: list(self._order))
        begin = self._world.rank * self._micro
        for start, end in self._rounds():
            yield order[start:end][begin : begin + self._micro] or [self._blank]

    def _rounds(self) -> Iterator[tuple[int, int]]:
        """Yield where in the order each round begins and ends."""
        step = self._micro * self._world.size
        for first in range(0, self._count, self._batch):
            last = min(first + self._batch, self._count)
            for start in range(first, last, step):
                yield start, min(start + step, last)


def shared_loader(trainer: Any, world: World, batch: int, micro: int) -> Any:
    """Return a trainer's data loader over this process's part of every batch."""
    from torch.utils.data import ConcatDataset, DataLoader

    pairs = trainer._remove_unused_columns(trainer.train_dataset, description="training")
    order = trainer._get_train_sampler(pairs)
    order.batch_size = batch  # lengths are grouped by full batches, as in one process
    shortest = min(pairs, key=lambda pair: len(pair["input_ids"]))
    blank = {**shortest, "labels": [_NO_LOSS] * len(shortest["input_ids"])}
    rows: list[Any] = [pairs, [blank]]  # the blank one behind the others
    return DataLoader(
        ConcatDataset(rows),
        batch_sampler=SharedBatches(
            order, len(pairs), world=world, batch=batch, micro=micro, blank=len(pairs)
        ),
        collate_fn=trainer.data_collator,
        pin_memory=trainer.args.dataloader_pin_memory,
    )
