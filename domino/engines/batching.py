"""Continuous batching: the slot of a finished row is refilled from the queue immediately.

Shapes: S slots, N selected rows, M maximum tokens of a row, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch

from domino.engines.decoding import StopRule, choose_tokens, request_uniforms

if TYPE_CHECKING:
    from domino.engines.encoding import EncodedRequest
    from domino.engines.slots import Rows
    from domino.records import Sampling


class ContinuousBatch:
    """Decodes jobs in slots. The rows in use are always the first ones.

    Args:
        rows: keys and values of the rows.
        slots: how many rows fit.
        jobs: what to decode, in order.
        sampling: temperature and top-p; limits are in the jobs.
        ending: what ends a row before its limit.
        finish: called with a job, its tokens, and whether the limit cut it off.
    """

    def __init__(
        self,
        rows: Rows,
        slots: int,
        jobs: Sequence[EncodedRequest],
        sampling: Sampling,
        ending: StopRule,
        finish: Callable[[EncodedRequest, list[int], bool], None],
        device: torch.device,
    ) -> None:
        self._rows, self._queue = rows, deque(jobs)
        self._sampling, self._ending, self._finish = sampling, ending, finish
        self._device = device
        self._jobs: list[EncodedRequest] = []  # one for each row in use
        longest = max(job.limit for job in jobs)
        self._token_S = torch.zeros(slots, dtype=torch.long, device=device)
        self._made_S = torch.zeros_like(self._token_S)
        self._limit_S = torch.zeros_like(self._token_S)
        self._out_SM = torch.zeros(slots, longest, dtype=torch.long, device=device)
        self._uniform_SM: torch.Tensor | None = None
        if sampling.temperature > 0:
            self._uniform_SM = torch.zeros(slots, longest, dtype=torch.float64, device=device)
        self._end_ids = torch.tensor(sorted(ending.end_ids), dtype=torch.long, device=device)
        self._slots = slots

    def run(self) -> None:
        """Decode every job."""
        self._settle(*self._refill([]))
        while self._jobs:
            count = len(self._jobs)
            logits_NV = self._rows.step(self._token_S[:count])
            self._settle(list(range(count)), logits_NV)

    def _settle(self, slots: list[int], logits_NV: torch.Tensor | None) -> None:
        """Choose the rows' next tokens, and refill those that finish until none does."""
        while slots and logits_NV is not None:
            finished = self._choose(slots, logits_NV)
            for slot in finished:
                self._report(slot)
            slots, logits_NV = self._refill(finished)

    def _choose(self, slots: list[int], logits_NV: torch.Tensor) -> list[int]:
        """Choose and note one token for each of the slots; return those that are finished."""
        at_N = torch.tensor(slots, device=self._device)
        made_N = self._made_S[at_N]
        uniform_N = None if self._uniform_SM is None else self._uniform_SM[at_N, made_N]
        token_N = choose_tokens(logits_NV, uniform_N, self._sampling)
        self._out_SM[at_N, made_N] = token_N
        self._token_S[at_N] = token_N
        self._made_S[at_N] = made_N + 1
        done_N = torch.isin(token_N, self._end_ids) | (made_N + 1 >= self._limit_S[at_N])
        done = {slot for slot, flag in zip(slots, done_N.tolist(), strict=True) if flag}
        return sorted(done | self._stopped(slots, token_N))

    def _stopped(self, slots: list[int], token_N: torch.Tensor) -> set[int]:
        """The slots whose text has just come to hold a stop string."""
        stops = self._ending.stops
        if not stops:
            return set()
        return {
            slot
            for slot, token in zip(slots, token_N.tolist(), strict=True)
            if stops.may_end(token) and stops.found(self._tokens(slot))
        }

    def _tokens(self, slot: int) -> list[int]:
        return self._out_SM[slot, : int(self._made_S[slot])].tolist()

    def _report(self, slot: int) -> None:
        tokens = self._tokens(slot)
        ended = tokens[-1] in self._ending.end_ids or (
            bool(self._ending.stops) and self._ending.stops.found(tokens)
        )
        self._finish(self._jobs[slot], tokens, not ended)

    def _refill(self, free: Iterable[int]) -> tuple[list[int], torch.Tensor | None]:
        """Give free slots to the queue, then close the gaps; return the new rows' logits."""
        open_slots = [*free, *range(len(self._jobs), self._slots)]
        new = [
            (slot, self._admit(slot)) for slot in open_slots[: min(len(open_slots), self._left())]
        ]
        for slot in reversed(open_slots[len(new) :]):
            self._close(slot)
        if not new:
            return [], None
        return [slot for slot, _ in new], torch.stack([logits_V for _, logits_V in new])

    def _left(self) -> int:
        return len(self._queue)

    def _admit(self, slot: int) -> torch.Tensor:
        """Start the next job in a slot and return the logits after its prompt."""
        job = self._queue.popleft()
        self._jobs[slot : slot + 1] = [job]
        self._made_S[slot] = 0
        self._limit_S[slot] = job.limit
        if self._uniform_SM is not None:
            self._uniform_SM[slot, : job.limit] = request_uniforms(job.seed, job.limit)
        return self._rows.admit(slot, job.prompt)

    def _close(self, slot: int) -> None:
        """Take a row out of use, the last row moving into its place."""
        last = len(self._jobs) - 1
        if slot > last:
            return
        job = self._jobs.pop()
        if slot == last:
            return
        self._jobs[slot] = job
        self._rows.move(last, slot)
        for state in (self._token_S, self._made_S, self._limit_S, self._out_SM):
            state[slot] = state[last]
        if self._uniform_SM is not None:
            self._uniform_SM[slot] = self._uniform_SM[last]
