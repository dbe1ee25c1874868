"""Plans beside what a real run of the shipped backbone took, stage by stage."""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.config.presets import load_preset
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import make_display
from benchmarks.pipeline.description import describe_rows, keep_domain
from benchmarks.pipeline.pipeline import Pipeline, open_pipeline
from benchmarks.pipeline.rows import FailedRun, SeedRun
from benchmarks.planning import calibration
from benchmarks.planning.lengths import PlanRequest
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.work import Cost
from benchmarks.run import run_rows
from benchmarks.store.store import Stage

FACTOR = 1.5
LEAST_S = 1.0
"""A stage of less than this is counted with the others of its kind: it is mostly overhead."""
METHODS = ("no-data", "few-shot", "domino")
Spent = dict[tuple[str, str], float]


def processor_s() -> float:
    """Return what this process and its ended children have used: neighbours do not count."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(config: RunConfig) -> tuple[list[SeedRun | FailedRun], Spent]:
    """Run all rows; return them with the processor seconds of each method's stages."""
    spent: Spent = {}
    state: dict[str, Any] = {"method": "", "at": processor_s()}

    def began(method: str, seed: int) -> None:
        state["method"] = method

    def ended(stage: Stage, reused: bool) -> None:
        assert not reused
        now = processor_s()
        key = (state["method"], stage.name)
        spent[key] = spent.get(key, 0.0) + now - state["at"]
        state["at"] = now

    display = make_display(plain=True, quiet=True)
    pipeline: Pipeline = open_pipeline(config, display=display, steps=99, on_stage=ended)
    with closing(pipeline):
        keep_domain(pipeline)
        rows = run_rows(pipeline, on_row=began)

        def described(row: SeedRun | FailedRun | None, stage: Stage, reused: bool) -> None:
            state["method"] = "" if row is None else row.method
            ended(stage, reused)

        describe_rows(pipeline, rows, on_stage=described)
    return rows, spent


def tokens_of(rows: list[SeedRun | FailedRun], name: str) -> int:
    stages = [stage for row in rows for stage in row.stages if stage.name == name]
    return sum(stage.summary["tokens"] for stage in stages)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("one_thread")
def test_a_plan_for_this_machine_is_within_a_factor_of_what_a_run_took(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    preset = load_preset("housestyle-compositions")
    config = replace(
        preset,
        methods=METHODS,
        method_options={"domino": {"steps": 75}},
        pairs=32,
        output=tmp_path / "runs",
        finetune=replace(preset.finetune, steps=12),
        sandbox=replace(preset.sandbox, workers=1),
    )
    calibration.measure.cache_clear()
    plan = make_plan(config, PlanRequest(device="this-machine"))
    rows, spent = run(config)
    calibration.measure.cache_clear()

    ratios = compare(plan, spent)
    ratios |= {
        f"{name} tokens": plan.stages[name].new_tokens / tokens_of(rows, name)
        for name in ("synthesize", "respond", "evaluate")
    }
    record_property("planned over measured", json.dumps(ratios))
    sys.stdout.write(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}) + "\n")
    assert {"finetune", "respond", "synthesize", "all"} <= set(ratios)
    off = {name: ratio for name, ratio in ratios.items() if not 1 / FACTOR <= ratio <= FACTOR}
    assert not off, f"planned over measured: {off}"


def compare(plan: Plan, spent: Spent) -> dict[str, float]:
    """Return planned over measured seconds of each stage, without the row that imports."""
    planned: dict[str, float] = {}
    measured: dict[str, float] = {}
    costs = {method: plan.costs[method] for method in METHODS if method != "no-data"}
    for method, stages in costs.items():
        for name, cost in stages.items():
            planned[name] = planned.get(name, 0.0) + cost.seconds
            measured[name] = measured.get(name, 0.0) + spent[method, name]
    assert sum((cost for s in costs.values() for cost in s.values()), Cost()).seconds > 0
    small = [name for name in planned if max(planned[name], measured[name]) < LEAST_S]
    ratios = {name: planned[name] / measured[name] for name in planned if name not in small}
    return {**ratios, "all": sum(planned.values()) / sum(measured.values())}
