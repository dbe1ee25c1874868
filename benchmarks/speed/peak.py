"""Peak memory of one way of computing, measured in a fresh process that does nothing else.

On a CPU it is how far the resident set rose above what model and batch had taken: what a user
would see, the allocator's own waste included. On a GPU it is the allocator's own count.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def in_fresh_process(measure: Callable[..., int | None], *arguments: object) -> int | None:
    """Return what `measure` returns in a process of its own; None where that process was killed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(measure, *arguments).result()
        except BrokenProcessPool:  # out of memory, as a rule
            return None


def extra_bytes(way: Callable[[], object], device: str) -> int | None:
    """Return by how much memory rises at most while `way` runs; None where the system hides it."""
    if device.startswith("cuda"):
        return _extra_bytes_on_gpu(way)
    if not _STATUS.exists():
        return None
    _RESET.write_text("5")  # the peak so far is forgotten
    before = _resident_bytes("VmRSS")
    way()
    return _resident_bytes("VmHWM") - before


def _extra_bytes_on_gpu(way: Callable[[], object]) -> int:
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    way()
    torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated() - before)


def _resident_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{_STATUS} has no line {name}: the kernel does not report memory")
    return 1024 * int(found[1])
