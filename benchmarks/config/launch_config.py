"""What the launchers are asked for: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from benchmarks.common.fields import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """The processes of launcher local.

    Attributes:
        processes: rows that may go through their stages at the same time, each in a process with
            its share of the cores, whether or not there are so many; 1 does one stage after the
            other in the run's own process; null is one for each core on a machine without a GPU,
            as far as memory allows.
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
    """What one stage reserves on one machine while it runs.

    Attributes:
        num_cpus: processors; a stage computes with so many threads, and runs so many programs at
            a time.
        num_gpus: GPUs; null is one where the cluster has any and the stage uses the backbone.
        memory_mib: memory; null reserves none.
    """

    num_cpus: int = 1
    num_gpus: float | None = None
    memory_mib: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no machine can reserve."""
        if self.num_cpus < 1:
            raise ConfigError(f"num_cpus is {self.num_cpus}: give at least 1")
        if self.num_gpus is not None and self.num_gpus < 0:
            raise ConfigError(f"num_gpus is {self.num_gpus}: give 0 or more")
        if self.num_gpus is not None and self.num_gpus > 1 and self.num_gpus % 1:
            raise ConfigError(f"num_gpus is {self.num_gpus}: above 1 give a whole number")
        if self.memory_mib is not None and self.memory_mib < 1:
            raise ConfigError(f"memory_mib is {self.memory_mib}: give at least 1, or null")


@dataclass(frozen=True, kw_only=True, slots=True)
class RayConfig:
    """A Ray cluster, and how a run uses it; nothing of it changes a result.

    Attributes:
        address: host:port of the cluster's head, or auto for the one that this machine is a node
            of; null starts one on this machine alone, and ends it with the run.
        generate: for stages that generate or embed text (a method's own training included).
        train: for fine-tuning.
        execute: for all other stages, which filter records and run programs.
        shards: parts that a large generation, and a large set of programs, is split into; parts
            that no free machine takes are done by the stage itself.
        retries: how often a stage is taken up again on another machine when its own one dies.
    """

    address: str | None = None
    generate: Resources = field(default_factory=Resources)
    train: Resources = field(default_factory=Resources)
    execute: Resources = field(default_factory=Resources)
    shards: int = 1
    retries: int = 3

    def __post_init__(self) -> None:
        """Refuse addresses that are none, and counts below their least."""
        address = self.address
        if address is not None and address != AUTO and not _PLACE.fullmatch(address):
            raise ConfigError(f"address is {address!r}: give host:port of the head, auto, or null")
        for name, least in {"shards": 1, "retries": 0}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: give at least {least}")


LAUNCHERS = ("local", "ray")
"""Names of the launchers; `launch.launchers` makes each ready."""
