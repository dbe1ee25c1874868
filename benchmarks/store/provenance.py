"""Which process, which machine, which code and libraries: tags of a tracked run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.common.process import cores
from benchmarks.store.identity import ROOT

_LIBRARIES = (
    "torch", "transformers", "tokenizers", "peft", "trl", "evalplus", "mlflow", "numpy",
)  # fmt: skip
_HOST, _BOOT, _PID, _BEGAN = "domino.host", "domino.boot", "domino.pid", "domino.process_began"
PROCESS_TAGS = (_HOST, _BOOT, _PID, _BEGAN)
"""The tags of `process_tags`, which have no use after a run has ended."""


def machine_tags() -> dict[str, str]:
    """Return the git commit, whether files differ from it, and the versions of libraries."""
    tags = {f"version.{name}": _version(name) for name in _LIBRARIES}
    tags["version.python"] = platform.python_version()
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    return tags


def machine_kind() -> dict[str, str]:
    """Return the kind of machine, without anything that identifies this machine."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": str(cores()),
    }


def _processor() -> str:
    """Return the processor's name; "" where the system does not say it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def process_tags() -> dict[str, str]:
    """Return values that identify this process among all processes on all machines."""
    return {
        _HOST: platform.node(),
        _BOOT: _boot_id(),
        _PID: str(os.getpid()),
        _BEGAN: _process_began(os.getpid()) or "",
    }


def started_by_dead_process(tags: Mapping[str, str]) -> bool:
    """Whether tags are those of a process of this machine that lives no more."""
    if tags.get(_HOST) != platform.node() or _PID not in tags:
        return False
    if tags.get(_BOOT) != _boot_id():
        return True
    return _process_began(int(tags[_PID])) != (tags.get(_BEGAN) or None)


def _process_began(pid: int) -> str | None:
    """Return a process's start in clock ticks since boot, None where it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _alive_without_proc(pid)
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _alive_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str | None:
    """Return git's output for this repository; None without git or a repository."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
