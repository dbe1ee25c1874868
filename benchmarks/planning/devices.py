"""Devices: what they can do at most, how much of it is reached, and where these figures come from.

Peaks are the makers' for dense bfloat16. How much of them a run reaches is
`MeasuredSpeed.share`, which is not known beforehand: the source of each says what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

THIS_MACHINE = "this-machine"
"""The name of the machine that plans: measured, not looked up."""


DEFAULT_GPU = "h100-80gb"
"""What a model that is not the shipped one is planned for."""


_GIB = 2**30


_MFU = (
    "0.40 of the peak in prefill and training (the Llama 3 report, arXiv 2407.21783, had 0.38 to "
    "0.43 on H100), assumed to hold here; 0.6 of the bandwidth in decoding, assumed"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredSpeed:
    """How fast one kind of work goes.

    Attributes:
        share: of the device's peak that its products reach.
        pass_s: overhead in seconds of a decoder layer per pass: calls, small kernels.
        row_s: seconds of each row in a pass, whatever its model: choosing tokens, keeping books.
    """

    share: float
    pass_s: float = 0.0
    row_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device and its paces.

    Attributes:
        name: of it.
        flops_per_s: its peak.
        bytes_per_s: its memory's bandwidth at best.
        memory_bytes: its memory.
        bandwidth_share: of the bandwidth that decoding reaches.
        decode: one token for each row in use, by transformers in Python.
        graphs: the same by vLLM.
        fit: a step of soft tokens behind frozen weights.
        tune: a micro batch of LoRA.
        program_s: seconds of a program in the sandbox; None if the suite has to estimate it.
        start_s: seconds until the first stage does anything: imports, loading.
        source: where the figures come from, in words.
        float32: whether weights and activations take four bytes whatever the checkpoint stores.
    """

    name: str
    flops_per_s: float
    bytes_per_s: float
    memory_bytes: int
    bandwidth_share: float
    decode: MeasuredSpeed
    graphs: MeasuredSpeed
    fit: MeasuredSpeed
    tune: MeasuredSpeed
    source: str
    program_s: float | None = None
    start_s: float = 60.0
    float32: bool = False


def _gpu(
    name: str, teraflops: float, terabytes_per_s: float, gib: int, source: str = _MFU
) -> Device:
    return Device(
        name=name,
        flops_per_s=1e12 * teraflops,
        bytes_per_s=1e12 * terabytes_per_s,
        memory_bytes=gib * _GIB,
        bandwidth_share=0.6,
        decode=MeasuredSpeed(share=0.4, pass_s=8e-4),  # a layer of transformers in Python: assumed
        graphs=MeasuredSpeed(share=0.4, pass_s=3e-5),  # the same in CUDA graphs: assumed
        fit=MeasuredSpeed(share=0.4, pass_s=6e-3),  # four passes, forward and backward: assumed
        tune=MeasuredSpeed(share=0.4, pass_s=3e-3),  # one, with LoRA at each product: assumed
        source=source,
    )


DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        device.name: device
        for device in (
            _gpu("h100-80gb", 989, 3.35, 80),
            _gpu("h200-141gb", 989, 4.8, 141),
            _gpu("a100-80gb", 312, 2.04, 80),
            _gpu("a100-40gb", 312, 1.56, 40),
            _gpu("l40s-48gb", 362, 0.864, 48),
            _gpu("rtx4090-24gb", 165, 1.01, 24),
            _gpu("l4-24gb", 121, 0.30, 24),
        )
    }
)
"""GPUs by name: teraFLOP/s in dense bfloat16, TB/s, GiB, as their makers state them."""
