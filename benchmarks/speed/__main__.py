"""`python -m benchmarks.speed COMMAND`: speed compared with official implementations."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.cli.options import add_option, merge, overrides
from benchmarks.common.fields import ConfigError, closest, leaves, update
from benchmarks.planning.flops import SHAPES, ModelShape
from benchmarks.speed.plans import (
    PLANS,
    BackbonePlan,
    EnginesPlan,
    EvaluatePlan,
    FitPlan,
    ModelPlacement,
    SamplePlan,
    ScalePlan,
)
from benchmarks.speed.rows import table as rows_table

Tables = dict[str, Any]
"""Rows by the title of their table."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit code: 2 on bad input, with one line."""
    return exit_code("benchmarks.speed", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    plan: Any = PLANS[given.what]
    if getattr(given, "shape", None) is not None:
        plan = replace(plan, shape=_named_shape(given.shape))
    values: dict[str, Any] = {}
    for part in overrides(list(leaves(plan)), given):
        values = merge(values, part)
    plan = update(plan, values)
    try:
        tables, show = _MEASURES[given.what](plan)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(str(error)) from error
    for title, rows in tables.items():
        print(show(title, rows))
    if given.json is not None:
        _write(given.json, plan, tables)
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return a parser with a command for each plan and an option for each of its fields."""
    parser = Parser(prog="python -m benchmarks.speed", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, plan in PLANS.items():
        about = (plan.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        command.add_argument("--json", type=Path, help="also write the plan and rows to this file")
        if hasattr(plan, "shape"):
            command.add_argument("--shape", metavar="NAME", help=f"model: {', '.join(SHAPES)}")
        for leaf in leaves(plan):
            add_option(command, leaf)
    return parser


def _named_shape(name: str) -> ModelShape:
    if name not in SHAPES:
        known = ", ".join(SHAPES)
        raise ConfigError(f"--shape {name}{closest(name, SHAPES)}: give one of {known}")
    return SHAPES[name]


def _fit(plan: FitPlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.speed.fit import measure

    model = _checked_model(plan.shape, plan.place)
    lengths = "/".join(map(str, plan.lengths)) if plan.ragged else plan.text_tokens
    title = (
        f"one step of the fit: P={plan.domain_tokens} Q={plan.sample_tokens} L={lengths} "
        f"B={plan.batch}, {model}"
    )
    return {title: measure(plan)}, rows_table


def _sample(plan: SamplePlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.speed.sample import measure_even, measure_uneven

    head = (
        f"{plan.samples} samples after {plan.domain_tokens} domain tokens in {plan.slots} slots, "
        f"{_checked_model(plan.shape, plan.place)}"
    )
    uneven = f"ending after {plan.mean_length} tokens on average, at most {plan.new_tokens}"
    tables = {
        f"{head}, {plan.new_tokens} tokens each": measure_even(plan),
        f"{head}, {uneven}": measure_uneven(plan),
    }
    return tables, rows_table


def _evaluate(plan: EvaluatePlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.speed.evaluate import compare, table, title

    return {title(plan): compare(plan)}, table


def _engines(plan: EnginesPlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.speed.engines import line, measure, table

    title = (
        f"{plan.model}: at most {plan.new_tokens} new tokens, {plan.domain_tokens} soft tokens in "
        "embeds"
    )
    rows = measure(plan, on_row=lambda row: print(line(row), file=sys.stderr, flush=True))
    return {title: rows}, table


def _backbone(plan: BackbonePlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.speed.backbone import measure, table

    title = f"{plan.model}: {plan.requests} requests of at most {plan.new_tokens} new tokens"
    return {title: measure(plan)}, table


def _scale(plan: ScalePlan) -> tuple[Tables, Callable[..., str]]:
    from benchmarks.common.process import prepare_process
    from benchmarks.speed.scale import line, measure, table

    prepare_process()
    rows = measure(plan, on_row=lambda row: print(line(row), file=sys.stderr, flush=True))
    return {"overhead of the harness, in runs whose stages are copies": rows}, table


_MEASURES: dict[str, Callable[[Any], tuple[Tables, Callable[..., str]]]] = {
    "fit": _fit,
    "sample": _sample,
    "evaluate": _evaluate,
    "engines": _engines,
    "backbone": _backbone,
    "scale": _scale,
}


def _checked_model(shape: ModelShape, place: ModelPlacement) -> str:
    """Set the number of threads and return words for the model.

    Raises:
        ConfigError: the device does not exist, or the shape is inconsistent.
    """
    import torch

    if place.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {place.device!r} is not available: use --place.device cpu")
    if shape.hidden % shape.heads or shape.heads % shape.kv_heads:
        raise ConfigError(
            f"hidden {shape.hidden}, heads {shape.heads}, kv_heads {shape.kv_heads}: "
            "each must be a multiple of the next"
        )
    torch.set_num_threads(place.threads)
    return (
        f"{shape.body_weights / 1e6:.1f} M weights in the body, vocabulary {shape.vocabulary:,}, "
        f"{place.dtype} on {place.device}, {place.attention}"
    )


def _write(path: Path, plan: Any, tables: Tables) -> None:
    document = {
        "plan": asdict(plan),
        "tables": {title: [row.values() for row in rows] for title, rows in tables.items()},
    }
    path.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
