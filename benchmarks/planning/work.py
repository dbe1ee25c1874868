"""Pieces of a stage's work, and what each costs: tokens, operations, seconds, memory.

A generation decodes rows together: each step reads the weights once, and takes as long as that or
as its operations do, whichever is more. Prefill and training are bound by operations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.planning.flops import FlopCount, run

if TYPE_CHECKING:
    from benchmarks.planning.devices import Device, MeasuredSpeed
    from benchmarks.planning.shapes import BackboneShape

LONGEST = 2.0
"""How many times the mean the longest completion of a call is, which all others wait for: assumed.

Cut at the limit of new tokens.
"""
_MARGIN = 1.15  # short-lived tensors of one layer, and the allocator's rounding
_CACHE_SHARE = 0.9  # share for keys and values of the memory that weights leave


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What work costs; together, all add up but memory, of which the most counts."""

    prompt_tokens: float = 0
    new_tokens: float = 0
    flops: float = 0
    seconds: float = 0
    memory_bytes: float = 0

    def __add__(self, other: Cost) -> Cost:
        """Return both, one after the other."""
        return Cost(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            new_tokens=self.new_tokens + other.new_tokens,
            flops=self.flops + other.flops,
            seconds=self.seconds + other.seconds,
            memory_bytes=max(self.memory_bytes, other.memory_bytes),
        )

    def __mul__(self, times: float) -> Cost:
        """Return the same several times, one after the other."""
        return Cost(
            prompt_tokens=times * self.prompt_tokens,
            new_tokens=times * self.new_tokens,
            flops=times * self.flops,
            seconds=times * self.seconds,
            memory_bytes=self.memory_bytes if times else 0,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A backbone on a device.

    Attributes:
        device: what it runs on.
        shape: of the backbone.
        rows: completions that the engine decodes together, where memory allows it.
        paged: whether memory for keys and values is allocated as needed, or per row in advance.
        parts: devices that share the weights while generating.
    """

    device: Device
    shape: BackboneShape
    rows: int = 64
    paged: bool = False
    parts: int = 1

    @property
    def element_bytes(self) -> int:
        """Bytes of one weight or activation."""
        return 4 if self.device.float32 else self.shape.stored_bytes

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return self.shape.all_weights * self.element_bytes

    @property
    def cached_bytes(self) -> int:
        """Bytes that one token leaves in the cache."""
        shape = self.shape
        return (shape.paged_elements if self.paged else shape.cached_elements) * self.element_bytes

    @property
    def decoding(self) -> MeasuredSpeed:
        """The pace of the engine that generates."""
        return self.device.graphs if self.paged else self.device.decode

    def seconds(self, flops: float, pace: MeasuredSpeed) -> float:
        """Return the time of products alone."""
        return flops / (self.device.flops_per_s * pace.share)

    def weights_read(self, rows: float) -> float:
        """Return the bytes of weights that one step reads: of experts, those that a row needs."""
        met = self.shape.body_weights + self.shape.hidden * self.shape.vocabulary
        missed = max(0.0, 1 - met / self.shape.all_weights)
        return float(self.weight_bytes * (1 - missed ** max(rows, 1)))


class Piece(Protocol):
    """A piece of work."""

    def cost(self, machine: Machine) -> Cost:
        """Return what it costs there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """Completions of an engine.

    Attributes:
        requests: how many, all calls together.
        prompt: mean tokens of a prompt's own part.
        new: mean new tokens.
        limit: of new tokens.
        shared: tokens that all prompts of a call begin with.
        a_call: requests that the engine is given together.
        each: requests of a call with one prompt, which our engine reads once for all of them.
    """

    requests: float
    prompt: float
    new: float
    limit: float
    shared: float = 0
    a_call: float = 256
    each: float = 1

    def cost(self, machine: Machine) -> Cost:
        """Return the cost of prefill and decoding."""
        if self.requests <= 0:
            return Cost()
        rows = self._rows(machine)
        begun, grown = self._prefill(shared=not machine.paged), self._decoding()
        flops = begun.forward(machine.shape) + grown.forward(machine.shape)
        length = self.shared + self.prompt + (self.new if machine.paged else self.limit)
        return Cost(
            prompt_tokens=self.requests * (self.prompt + self.shared),
            new_tokens=self.requests * self.new,
            flops=flops,
            seconds=self._prefill_s(machine, begun, rows) + self._decoding_s(machine, grown, rows),
            memory_bytes=machine.weight_bytes / machine.parts
            + rows * length * machine.cached_bytes / machine.parts,
        )

    @property
    def _calls(self) -> int:
        return max(1, math.ceil(self.requests / self.a_call))

    def _rows(self, machine: Machine) -> float:
        """Return how many rows are decoded together, as memory and the requests allow."""
        length = self.shared + self.prompt + (self.new if machine.paged else self.limit)
        room = machine.device.memory_bytes * machine.parts - machine.weight_bytes
        fitting = max(1.0, _CACHE_SHARE * room // max(1.0, length * machine.cached_bytes))
        return min(machine.rows, self.requests / self._calls, fitting)

    def _prefill(self, *, shared: bool) -> FlopCount:
        """Return the work of all prompts; vLLM runs what they share anew for each of them."""
        prompts = round(self.requests / self.each if shared else self.requests)
        own = run(round(self.prompt), past=round(self.shared), head=1) * prompts
        return own + run(round(self.shared)) * (self._calls if shared else round(self.requests))

    def _decoding(self) -> FlopCount:
        made = max(0, round(self.new) - 1)
        past = round(self.shared + self.prompt)
        return run(made, past=past, head=made) * round(self.requests)

    def _prefill_s(self, machine: Machine, work: FlopCount, rows: float) -> float:
        pace, batches = machine.decoding, self.requests / rows
        passes = batches * machine.shape.layers * pace.pass_s
        return passes + machine.seconds(work.forward(machine.shape), pace)

    def _decoding_s(self, machine: Machine, work: FlopCount, rows: float) -> float:
        pace, device = machine.decoding, machine.device
        tokens = self.requests * self.new
        longest = min(LONGEST * self.new, self.limit)
        steps = tokens / rows + self._calls * (longest - self.new)
        length = self.shared + self.prompt + self.new / 2
        read = machine.weights_read(rows) * steps + tokens * length * machine.cached_bytes
        busy = max(
            machine.seconds(work.forward(machine.shape), pace),
            read / (device.bytes_per_s * device.bandwidth_share),
        )
        return busy + steps * machine.shape.layers * pace.pass_s + tokens * pace.row_s


@dataclass(frozen=True, kw_only=True, slots=True)
class FitSteps:
    """Steps of soft tokens behind frozen weights.

    Attributes:
        steps: how many.
        work: of one step, forward.
        kept: tokens whose activations one step keeps.
        again: whether the forward pass is run a second time, to keep less.
        logits: positions whose logits are all held at once; 0 where they come in parts.
    """

    steps: float
    work: FlopCount
    kept: float
    again: bool = False
    logits: float = 0

    def cost(self, machine: Machine) -> Cost:
        """Return the cost of forward and backward passes."""
        shape = machine.shape
        flops = self.work.step(shape) + (self.work.forward(shape) if self.again else 0)
        pace = machine.device.fit
        passes = (1.5 if self.again else 1.0) * shape.layers * pace.pass_s
        activations = _MARGIN * self.kept * kept_bytes(machine)
        head = self.logits * shape.vocabulary * (machine.element_bytes + 8)
        return Cost(
            prompt_tokens=self.steps * self.work.body,
            flops=self.steps * flops,
            seconds=self.steps * (passes + machine.seconds(flops, pace)),
            memory_bytes=machine.weight_bytes + activations + head,
        )


def kept_bytes(machine: Machine) -> float:
    """Return the bytes of activations, keys and values that training keeps of one token."""
    seen = 2 * machine.shape.layers * machine.shape.attention_width
    return float((machine.shape.kept_elements + seen) * machine.element_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraSteps:
    """Steps of fine-tuning.

    Attributes:
        steps: how many.
        batch: rows of a step.
        micro: rows that go through the model at once.
        tokens: mean tokens of a row.
        checkpointing: whether activations are computed twice instead of kept.
    """

    steps: float
    batch: int
    micro: int
    tokens: float
    checkpointing: bool = False

    def cost(self, machine: Machine) -> Cost:
        """Return the cost of forward and backward passes; the matrices of LoRA are small."""
        shape, pace = machine.shape, machine.device.tune
        work = run(round(self.tokens), head=round(self.tokens)) * self.batch
        flops = work.step(shape) + (work.forward(shape) if self.checkpointing else 0)
        passes = self.batch / self.micro * shape.layers * pace.pass_s
        held = self.micro * self.tokens
        layer = shape.layers if self.checkpointing else 1
        activations = held * kept_bytes(machine) / layer
        if self.checkpointing:
            activations += held * shape.layers * shape.hidden * machine.element_bytes
        head = held * shape.vocabulary * (machine.element_bytes + 8)
        return Cost(
            prompt_tokens=self.steps * self.batch * self.tokens,
            flops=self.steps * flops,
            seconds=self.steps * (passes + machine.seconds(flops, pace)),
            memory_bytes=machine.weight_bytes + _MARGIN * activations + head,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Texts that are read once, in batches, for their embeddings."""

    texts: float
    tokens: float
    batch: int = 32

    def cost(self, machine: Machine) -> Cost:
        """Return the cost of forward passes."""
        shape, pace = machine.shape, machine.device.decode
        work = run(round(self.tokens)) * round(self.texts)
        passes = math.ceil(self.texts / self.batch) * shape.layers * pace.pass_s
        return Cost(
            prompt_tokens=self.texts * self.tokens,
            flops=work.forward(shape),
            seconds=passes + machine.seconds(work.forward(shape), pace),
            memory_bytes=machine.weight_bytes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Programs:
    """Programs in the sandbox: no operations of the backbone, but time that its device waits."""

    count: float
    each_s: float
    workers: int

    def cost(self, machine: Machine) -> Cost:
        """Return the time."""
        each_s = self.each_s
        return Cost(seconds=self.count * each_s / min(self.workers, max(1.0, self.count)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Time alone: imports, loading, measures of texts."""

    seconds: float

    def cost(self, machine: Machine) -> Cost:
        """Return the time."""
        return Cost(seconds=self.seconds)
