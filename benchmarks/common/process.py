"""What a process sets up once, before any heavy library is imported, and what it gives others."""

from __future__ import annotations

import ctypes
import getpass
import os
import sys
import tempfile
from pathlib import Path


def prepare_process() -> None:
    """Set what libraries read from the environment once, before any of them is imported.

    What the user has set stays. MLflow: give up on an unreachable server within seconds, send no
    telemetry; nor does Ray. tokenizers: no threads of its own in worker processes.
    transformers and datasets: no bars of their own through our display. OpenMP: threads that wait
    sleep; where other work has the cores they would take them from the thread they wait for.
    """
    defaults = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "OMP_WAIT_POLICY": "passive",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    _have_a_home()
    _keep_freed_memory()


def _have_a_home() -> None:
    """Give a user whom the system does not know, as containers have, a home and a name.

    MLflow and others ask for both, and end where there is none. matplotlib needs a folder to write
    to, or it complains.
    """
    user = f"user-{os.getuid()}" if hasattr(os, "getuid") else "user"
    own = Path(tempfile.gettempdir(), f"domino-{user}")
    try:
        getpass.getuser()
        writable = os.access(Path.home(), os.W_OK)
    except (RuntimeError, KeyError, OSError):
        writable = False
        os.environ.setdefault("HOME", str(own))
        os.environ.setdefault("USER", user)
    if not writable:
        own.mkdir(mode=0o700, exist_ok=True)
        os.environ.setdefault("MPLCONFIGDIR", str(own))


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1  # macOS and Windows


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


_LARGEST_KEPT = 32 << 20  # what glibc allows


def _keep_freed_memory() -> None:
    """Let glibc give a freed tensor's memory to the next one, and not back to the kernel.

    Each step's tensors are as large as the last one's; without this the kernel clears their pages
    anew each time: half of the page faults of a training step on a CPU. Elsewhere nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without evalplus's settings, and with some more."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EVALPLUS_")}
    return {**own, **more}
