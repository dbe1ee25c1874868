"""Connects to a Ray cluster before any work, and defines the resources that stages reserve."""

from __future__ import annotations

import importlib.util
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.common.fields import ConfigError
from benchmarks.config.launch_config import AUTO, Resources

if TYPE_CHECKING:
    from benchmarks.config.launch_config import RayConfig
    from benchmarks.config.run_config import RunConfig

StageKind = Literal["generate", "train", "execute"]

KINDS: Mapping[str, StageKind] = MappingProxyType(
    {
        "synthesize": "generate", "respond": "generate", "evaluate": "generate",
        "embed": "generate", "finetune": "train",
    }
)  # fmt: skip
"""Kind of resources of the stages that use the backbone, by name; all others are "execute"."""

_MIB = 2**20
_CONNECT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A connected cluster.

    Attributes:
        config: of the run.
        nodes: the resources of each machine, by Ray's names.
    """

    config: RunConfig
    nodes: Sequence[Mapping[str, float]]

    def kind(self, stage: str) -> StageKind:
        """Return the kind of a stage; a filter with a judge uses the backbone."""
        judges = {
            "filter-instructions": self.config.filter.judge_instructions,
            "filter-responses": self.config.filter.judge_responses,
        }
        return "generate" if judges.get(stage) else KINDS.get(stage, "execute")

    def options(self, kind: StageKind) -> dict[str, Any]:
        """Return Ray's options for a task of a kind."""
        asked: Resources = getattr(self.config.ray, kind)
        options: dict[str, Any] = {"num_cpus": asked.num_cpus, "num_gpus": self._gpus(kind)}
        if asked.memory_mib is not None:
            options["memory"] = asked.memory_mib * _MIB
        return options

    def check(self) -> None:
        """Refuse resources that no machine has: Ray would wait for them forever.

        Raises:
            ConfigError: a kind of stage fits no machine.
        """
        for kind in ("generate", "train", "execute"):
            asked = self.options(kind)
            if not any(_fits(asked, node) for node in self.nodes):
                raise ConfigError(
                    f"ray.{kind} asks for {_words(asked)}, which no machine of the cluster has "
                    f"({'; '.join(map(_node_words, self.nodes)) or 'it has none'}): request less, "
                    "or add a larger machine before the run"
                )

    def _gpus(self, kind: StageKind) -> float:
        asked: Resources = getattr(self.config.ray, kind)
        if asked.num_gpus is not None:
            return asked.num_gpus
        return float(kind != "execute" and any(node.get("GPU", 0) for node in self.nodes))


@contextmanager
def connected(config: RunConfig) -> Iterator[Cluster]:
    """Connect to the cluster of a run, and disconnect at the end.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached or is too small.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("launcher ray needs Ray: pip install -e '.[ray]' -c constraints.txt")
    import ray

    _reach(config.ray)
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cluster = Cluster(config=config, nodes=nodes)
        cluster.check()
        yield cluster
    finally:
        ray.shutdown()


def _reach(config: RayConfig) -> None:
    """Connect, within seconds.

    Raises:
        ConfigError: nothing answers there.
    """
    import ray

    if config.address not in (None, AUTO):
        _knock(str(config.address))
    try:
        ray.init(
            config.address or "local", logging_level=logging.ERROR, log_to_driver=False,
            include_dashboard=False if config.address is None else None,
        )  # fmt: skip
    except (Exception, SystemExit) as error:  # Ray raises plain Exception, and exits
        raise _unreachable(config.address, " ".join(str(error).split())[:300]) from error


def _knock(address: str) -> None:
    """Check whether the port is open: Ray itself would try for minutes and then end the process."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str | None, reason: str) -> ConfigError:
    if address is None:
        return ConfigError(f"Ray does not start on this machine ({reason}): try again when it is "
                           "less busy, or give --ray.address of a cluster")  # fmt: skip
    return ConfigError(
        f"ray.address {address}: no Ray cluster can be joined there ({reason}). Start one with "
        "`ray start --head --port 6379`, let this machine join it, and give its host:port or auto"
    )


def _fits(asked: Mapping[str, float], node: Mapping[str, float]) -> bool:
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return all(asked.get(option, 0) <= node.get(name, 0) for option, name in names.items())


def _words(asked: Mapping[str, float]) -> str:
    memory = f", {asked['memory'] // _MIB} MiB" if "memory" in asked else ""
    return f"{asked['num_cpus']:g} CPUs, {asked['num_gpus']:g} GPUs{memory}"


def _node_words(node: Mapping[str, float]) -> str:
    return (
        f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs, "
        f"{node.get('memory', 0) // _MIB:.0f} MiB"
    )
