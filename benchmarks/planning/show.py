"""A plan as tables."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.common.files import write_atomically
from benchmarks.common.words import counted, say
from benchmarks.planning.devices import THIS_MACHINE
from benchmarks.planning.plan import DEVICES_SHOWN, device_name, make_plan
from benchmarks.planning.stages import SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.config.run_config import RunConfig
    from benchmarks.planning.lengths import PlanRequest
    from benchmarks.planning.plan import Plan
    from benchmarks.planning.work import Cost

_GIB = 2**30
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def show_plan(config: RunConfig, request: PlanRequest, json_path: Path | None) -> None:
    """Plan a run and print its tables, or with `json_path` - its values, or write them there too.

    Raises:
        ConfigError: the device or the model's shape is not known.
        SuiteError: the data that the run names cannot be read.
    """
    if device_name(config, request) == THIS_MACHINE:
        sys.stderr.write("measuring this machine with the shipped backbone, up to a minute ...\n")
    plan = make_plan(config, request)
    text = json.dumps(plan.to_dict(), ensure_ascii=False, indent=1) + "\n"
    if json_path is not None and str(json_path) == "-":
        sys.stdout.write(text)
        return
    show(plan, Console(width=None if sys.stdout.isatty() else 140))
    if json_path is not None:
        write_atomically(json_path, text)


def show(plan: Plan, console: Console) -> None:
    """Print the cost of the run, by stage and by method, and the assumptions."""
    config = plan.config
    seeds = len(config.seeds)
    say(
        console,
        f"Plan: {config.suite}, {config.backbone}, engine {config.engine}, "
        f"{counted(len(config.methods), 'method')}, {counted(seeds, 'seed')}, "
        f"{config.draws:,} draws each, on {plan.device.name}",
    )
    console.print(_costs("stage", plan.stages, plan.total))
    console.print(_costs("method", plan.methods, plan.total))
    console.print(_lengths(plan))
    lines = [
        f"Device: {plan.device.source}.",
        "FLOPs are counted from shapes; k, M, G, T, P, E are 10^3, 10^6, ... 10^18. A stage is "
        "held to take its device alone, and the time that programs run in the sandbox counts too. "
        "Times are added up.",
        *_at_once(plan),
        f"{SHARED!r}: done once, that is loading, the suite's own solutions, the data's character.",
        *plan.notes,
    ]
    for line in lines:
        say(console, line)


def _at_once(plan: Plan) -> list[str]:
    """Return how long the run takes on several devices, where it has several rows."""
    rows = plan.row_seconds
    if len(rows) * len(plan.config.seeds) == 1:
        return []
    times = ", ".join(f"{duration(plan.seconds_on(count))} on {count}" for count in DEVICES_SHOWN)
    longest = max(rows, key=lambda method: rows[method])
    return [
        f"With a row at a time on each device: {times}. The longest row, {longest}, takes "
        f"{duration(rows[longest])}: no number of devices ends before, unless its calls are "
        "divided (--ray.shards)."
    ]


def _costs(what: str, costs: Mapping[str, Cost], total: Cost) -> Table:
    table = Table(box=None, pad_edge=False, title=f"By {what}", title_justify="left")
    table.add_column(what)
    for name in ("prompt tokens", "new tokens", "FLOPs", "memory, GiB", "device time"):
        table.add_column(name, justify="right")
    for name, cost in costs.items():
        table.add_row(name, *_cells(cost))
    table.add_section()
    table.add_row("total", *_cells(total))
    return table


def _cells(cost: Cost) -> list[str]:
    memory = f"{cost.memory_bytes / _GIB:,.1f}" if cost.memory_bytes else ""
    return [
        magnitude(cost.prompt_tokens), magnitude(cost.new_tokens), magnitude(cost.flops), memory,
        duration(cost.seconds),
    ]  # fmt: skip


def _lengths(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, title="Rests on", title_justify="left")
    table.add_column("option")
    table.add_column("value", justify="right")
    table.add_column("from")
    for name, known in plan.lengths.items():
        table.add_row(f"--assume.{name}", f"{known.value:,.4g}", known.source)
    return table


def magnitude(value: float) -> str:
    """Return a count with the prefix of its size: 1,200,000 is 1.20 M; "" for nothing."""
    for size, prefix in _PREFIXES:
        if value >= 0.9995 * size:  # what would round to 1000 of the next smaller one
            return f"{value / size:.3g} {prefix}"
    return f"{value:.0f}" if value else ""


def duration(seconds: float) -> str:
    """Return seconds in the unit of their size; "" for nothing."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    if seconds >= 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds else ""
