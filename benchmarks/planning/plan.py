"""What a run will cost on a device, stage by stage and method by method."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError, closest
from benchmarks.methods import load_method
from benchmarks.models import SHIPPED_MODELS
from benchmarks.planning.devices import DEFAULT_GPU, DEVICES, THIS_MACHINE, Device
from benchmarks.planning.lengths import Known, Lengths, resolve
from benchmarks.planning.shapes import find_shape
from benchmarks.planning.stages import SHARED, evaluated_once, row_pieces, shared_pieces
from benchmarks.planning.work import LONGEST, Cost, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.config.run_config import RunConfig
    from benchmarks.planning.lengths import PlanRequest
    from benchmarks.planning.work import Piece


def find_device(name: str) -> Device:
    """Return a device by name; this machine is measured first, for some seconds.

    Raises:
        ConfigError: no device has this name.
    """
    if name == THIS_MACHINE:
        from benchmarks.planning.calibration import measure

        return measure()
    if name not in DEVICES:
        known = [*DEVICES, THIS_MACHINE]
        raise ConfigError(
            f"--device {name!r}: not known here{closest(name, known)}; known are {', '.join(known)}"
        )
    return DEVICES[name]


SERVER = "openai"


DEVICES_SHOWN = (1, 8, 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The cost of a run.

    Attributes:
        config: the run.
        device: where.
        costs: by method (`SHARED` for what a run has once) and stage; all seeds together.
        lengths: the assumed numbers, with their sources.
        notes: other assumptions, and stages that do not fit into memory, one line each.
    """

    config: RunConfig
    device: Device
    costs: Mapping[str, Mapping[str, Cost]]
    lengths: Lengths
    notes: Sequence[str]

    @property
    def stages(self) -> Mapping[str, Cost]:
        """The cost of each stage, all methods together, in the order of the run."""
        found: dict[str, Cost] = {}
        for stages in self.costs.values():
            for name, cost in stages.items():
                found[name] = found.get(name, Cost()) + cost
        return found

    @property
    def methods(self) -> Mapping[str, Cost]:
        """The cost of each method, all stages together."""
        return {name: sum(stages.values(), Cost()) for name, stages in self.costs.items()}

    @property
    def total(self) -> Cost:
        """The cost of everything."""
        return sum(self.stages.values(), Cost())

    @property
    def row_seconds(self) -> Mapping[str, float]:
        """How long one row of each method takes, its stages one after the other."""
        seeds = len(self.config.seeds)
        return {method: self.methods[method].seconds / seeds for method in self.config.methods}

    def seconds_on(self, devices: int) -> float:
        """Return how long the run takes where each device has a row at a time, as they come free.

        What a run has once comes first. No number of devices makes it shorter than the longest row.
        """
        rows = self.row_seconds
        busy = [0.0] * min(devices, len(rows) * len(self.config.seeds))
        for _ in self.config.seeds:
            for method in self.config.methods:
                heapq.heapreplace(busy, busy[0] + rows[method])
        return self.methods[SHARED].seconds + max(busy)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        config = self.config
        return {
            "suite": config.suite,
            "model": config.backbone,
            "engine": config.engine,
            "methods": list(config.methods),
            "seeds": list(config.seeds),
            "device": asdict(self.device),
            "total": asdict(self.total),
            "seconds_on_devices": {str(count): self.seconds_on(count) for count in DEVICES_SHOWN},
            "stages": {name: asdict(cost) for name, cost in self.stages.items()},
            "costs": {
                method: {name: asdict(cost) for name, cost in stages.items()}
                for method, stages in self.costs.items()
            },
            "lengths": {name: asdict(known) for name, known in self.lengths.items()},
            "notes": list(self.notes),
        }


def make_plan(config: RunConfig, request: PlanRequest) -> Plan:
    """Plan a run; nothing of it is computed, and nothing is downloaded.

    Raises:
        ConfigError: the device or the model's shape is not known.
        SuiteError: the data that the run names cannot be read.
    """
    shape = find_shape(config.backbone)
    lengths = resolve(config, request.assumed)
    device = find_device(device_name(config, request))
    if device.program_s is not None and lengths["program_s"].source.startswith("measured"):
        known = Known(value=device.program_s, source="measured here")
        lengths = {**lengths, "program_s": known}
    machine = Machine(device=device, shape=shape, **_engine(config))
    costs: dict[str, dict[str, Cost]] = {
        SHARED: _priced(shared_pieces(config, lengths, machine), machine)
    }
    for method in config.methods:
        row = _priced(row_pieces(config, method, lengths, machine), machine)
        once = evaluated_once(config, method)
        costs[method] = {
            name: cost * (1 if once and name == "evaluate" else len(config.seeds))
            for name, cost in row.items()
        }
    notes = [*_assumed(config), *_misfits(costs, machine)]
    return Plan(config=config, device=device, costs=costs, lengths=lengths, notes=notes)


def device_name(config: RunConfig, request: PlanRequest) -> str:
    """Return the name of the device that a run is planned for."""
    return request.device or (THIS_MACHINE if config.backbone in SHIPPED_MODELS else DEFAULT_GPU)


def _engine(config: RunConfig) -> dict[str, Any]:
    """Return how many rows the engine decodes together, and how it keeps them."""
    if config.engine == "vllm":
        parts = config.vllm.tensor_parallel
        return {"rows": config.vllm.max_sequences, "paged": True, "parts": parts}
    if config.engine == SERVER:
        return {"rows": config.openai.concurrency, "paged": True}
    return {}


def _priced(stages: Mapping[str, Sequence[Piece]], machine: Machine) -> dict[str, Cost]:
    return {
        name: sum((piece.cost(machine) for piece in pieces), Cost())
        for name, pieces in stages.items()
    }


def _assumed(config: RunConfig) -> list[str]:
    classes = {method: load_method(method) for method in config.methods}
    profiles = [
        f"{method}: {found.profile.source}"
        for method, found in classes.items()
        if found.synthesizes and "assumed" in found.profile.source
    ]
    notes = [
        f"The longest completion of a call is taken to be {LONGEST:.0f} times the mean: assumed.",
        *(f"{line}." for line in profiles),
    ]
    if config.launcher == "local" and config.local.processes != 1 and len(config.methods) > 1:
        notes.append(
            "Rows are planned one after the other; the run takes several at a time "
            "(--local.processes) and is through sooner."
        )
    if config.engine == SERVER:
        notes.append("The server is planned as if it ran on this device.")
    if config.engine == "vllm" and config.vllm.tensor_parallel * config.vllm.data_parallel > 1:
        notes.append("Device hours are those of all GPUs together; on several, time is shorter.")
    return notes


def _misfits(costs: Mapping[str, Mapping[str, Cost]], machine: Machine) -> list[str]:
    """Return a line for each stage that needs more memory than the device has, and the remedy."""
    worst: dict[str, float] = {}
    for stages in costs.values():
        for name, cost in stages.items():
            worst[name] = max(worst.get(name, 0), cost.memory_bytes)
    has = machine.device.memory_bytes
    return [
        f"DOES NOT FIT: {name} needs about {need / 2**30:,.0f} GiB and {machine.device.name} has "
        f"{has / 2**30:,.0f}: {REMEDIES.get(name, REMEDIES['evaluate'])}."
        for name, need in worst.items()
        if need > has
    ]


REMEDIES = {
    "synthesize": "a smaller batch of the fit (--method_options.domino.batch_size), padding "
    "ignored, gradient_caching always, or a larger device",
    "finetune": "a smaller --finetune.micro_batch_size, --finetune.gradient_checkpointing true, "
    "or a larger device",
    "evaluate": "--engine vllm with --vllm.tensor_parallel, or a larger device",
}
