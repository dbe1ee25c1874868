"""Options of the launchers: processes on this machine, or a Ray cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from benchmarks.common.fields import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """Processes of the launcher local.

    Attributes:
        processes: number of rows that run at the same time, each in a process with its share of
            the cores; 1 runs one stage after the other in the main process; null is one process
            per core, limited by memory, on a machine without a GPU.
    """

    processes: int | None = 1

    def __post_init__(self) -> None:
        """Refuse a number below 1."""
        if self.processes is not None and self.processes < 1:
            raise ConfigError(f"processes is {self.processes}: give at least 1, or null")


AUTO = "auto"


_PLACE = re.compile(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Resources that a stage reserves on a machine while it runs.

    Attributes:
        num_cpus: processors; the number of threads, and of programs at the same time.
        num_gpus: GPUs; null is one if the cluster has GPUs and the stage uses the backbone.
        memory_mib: memory; null reserves none.
    """

    num_cpus: int = 1
    num_gpus: float | None = None
    memory_mib: int | None = None

    def __post_init__(self) -> None:
        """Refuse resources that no machine can reserve."""
        if self.num_cpus < 1:
            raise ConfigError(f"num_cpus is {self.num_cpus}: give at least 1")
        if self.num_gpus is not None and self.num_gpus < 0:
            raise ConfigError(f"num_gpus is {self.num_gpus}: give 0 or more")
        if self.num_gpus is not None and self.num_gpus > 1 and self.num_gpus % 1:
            raise ConfigError(f"num_gpus is {self.num_gpus}: above 1 give an integer")
        if self.memory_mib is not None and self.memory_mib < 1:
            raise ConfigError(f"memory_mib is {self.memory_mib}: give at least 1, or null")


@dataclass(frozen=True, kw_only=True, slots=True)
class RayConfig:
    """A Ray cluster, and how a run uses it; results do not depend on it.

    Attributes:
        address: host:port of the cluster's head; auto is the cluster that this machine belongs
            to; null starts Ray on this machine and stops it at the end of the run.
        generate: resources of stages that generate or embed text, or fit a method.
        train: resources of fine-tuning.
        execute: resources of all other stages, which filter records and run programs.
        shards: parts into which a large generation or evaluation is split; parts that no free
            machine takes are computed by the stage itself.
        retries: how often a stage is restarted on another machine when its machine dies.
    """

    address: str | None = None
    generate: Resources = field(default_factory=Resources)
    train: Resources = field(default_factory=Resources)
    execute: Resources = field(default_factory=Resources)
    shards: int = 1
    retries: int = 3

    def __post_init__(self) -> None:
        """Refuse invalid addresses and counts."""
        address = self.address
        if address is not None and address != AUTO and not _PLACE.fullmatch(address):
            raise ConfigError(f"address is {address!r}: give host:port of the head, auto, or null")
        for name, least in {"shards": 1, "retries": 0}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: give at least {least}")


LAUNCHERS = ("local", "ray")
"""Names of the launchers; `launch.launchers` starts them."""
