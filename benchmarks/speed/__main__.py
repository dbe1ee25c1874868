"""`python -m benchmarks.speed WHAT`: how fast each part is; `--help` lists the parts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cli.exit_codes import exit_code
from benchmarks.planning.flops import SHAPES, ModelShape
from benchmarks.speed.rows import SpeedRow, table

if TYPE_CHECKING:
    from benchmarks.speed.engines import EngineRow
    from benchmarks.speed.evaluate import EvaluateRow
    from benchmarks.speed.fit import FitPlan
    from benchmarks.speed.models import ModelPlacement
    from benchmarks.speed.sample import SamplePlan

_SHAPE_FIELDS = ("hidden", "inner", "layers", "heads", "kv_heads", "vocabulary")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and return the exit code: 2 on bad input, with one line."""
    options = _parser().parse_args(arguments)
    try:
        measured = _MEASURES[options.what](options)
    except (ValueError, RuntimeError) as error:
        print(f"benchmarks.speed: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for title, rows in measured["tables"].items():
        print(measured.get("show", table)(title, rows))
    if options.json is not None:
        _write(options.json, measured)
    return 0


def _fit(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.fit import FitPlan, measure

    shape = _shape(options)
    plan = FitPlan(
        shape=shape,
        place=_place(options),
        domain=options.domain_tokens,
        sample=options.sample_tokens,
        text=options.text_tokens,
        batch=options.batch,
        ragged=options.ragged,
        rounds=options.rounds,
        memory=not options.no_memory,
    )
    return {"plan": plan, "tables": {_fit_title(plan): measure(plan)}}


def _sample(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.sample import SamplePlan, measure_even, measure_uneven

    shape = _shape(options)
    plan = SamplePlan(
        shape=shape,
        place=_place(options),
        domain=options.domain_tokens,
        new=options.new_tokens,
        samples=options.samples,
        one_by_one=options.one_by_one,
        slots=options.slots,
        mean_length=options.mean_length,
        rounds=options.rounds,
    )
    head = _sample_title(plan)
    return {
        "plan": plan,
        "tables": {
            f"{head}, {plan.new} tokens each": measure_even(plan),
            f"{head}, ending after {plan.mean_length} tokens on average, at most {plan.new}": (
                measure_uneven(plan)
            ),
        },
    }


def _votes(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.votes import VotesPlan, measure

    plan = VotesPlan(
        instructions=options.instructions,
        responses=options.responses,
        threads=options.threads,
        rounds=options.rounds,
    )
    rows, differ = measure(plan)
    title = (
        f"{plan.responses} responses to each of {plan.instructions} instructions, shipped "
        f"backbone: {differ} of {plan.responses * plan.instructions} texts differ"
    )
    return {"plan": plan, "tables": {title: rows}}


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.evaluate import EvaluatePlan, compare, table, title

    plan = EvaluatePlan(
        suite=options.suite,
        dataset=options.dataset,
        samples=options.samples,
        limit=options.limit,
        copies=options.copies,
        workers=options.workers,
        rounds=options.rounds,
    )
    return {"plan": plan, "tables": {title(plan): compare(plan)}, "show": table}


def _engines(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.engines import EnginesPlan, line, measure, table
    from domino.engines.vllm_setup import VllmConfig

    plan = EnginesPlan(
        model=options.model,
        engines=tuple(options.engines.split(",")),
        batches=options.batches,
        domain=options.domain_tokens,
        new=options.new_tokens,
        rounds=options.rounds,
        vllm=VllmConfig(dtype=options.dtype, eager=options.eager),
    )
    title = f"{plan.model}: {plan.new} new tokens at most, {plan.domain} soft tokens in embeds"
    rows = measure(plan, on_row=lambda row: print(line(row), file=sys.stderr, flush=True))
    return {"plan": plan, "tables": {title: rows}, "show": table}


def _backbone(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.speed.backbone import BackbonePlan, measure, table

    plan = BackbonePlan(
        model=options.model,
        requests=options.requests,
        new=options.new_tokens,
        domain=options.domain_tokens,
        sample=options.sample_tokens,
        batch=options.batch,
        rounds=options.rounds,
        threads=options.threads,
    )
    title = f"{plan.model}: {plan.requests} requests of at most {plan.new} new tokens"
    return {"plan": plan, "tables": {title: measure(plan)}, "show": table}


def _scale(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.common.process import prepare_process
    from benchmarks.speed.scale import ScalePlan, line, measure, table

    prepare_process()
    plan = ScalePlan(tasks=options.tasks, copiers=options.copiers, mlflow=not options.no_mlflow)
    rows = measure(plan, on_row=lambda row: print(line(row), file=sys.stderr, flush=True))
    title = "runs whose stages are copies: what the harness itself takes"
    return {"plan": plan, "tables": {title: rows}, "show": table}


_MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "fit": _fit,
    "sample": _sample,
    "votes": _votes,
    "evaluate": _evaluate,
    "engines": _engines,
    "backbone": _backbone,
    "scale": _scale,
}


def _fit_title(plan: FitPlan) -> str:
    lengths = "/".join(map(str, plan.lengths)) if plan.ragged else plan.text
    return (
        f"one step of the fit: P={plan.domain} Q={plan.sample} L={lengths} B={plan.batch}, "
        f"{_model_title(plan.shape, plan.place)}"
    )


def _sample_title(plan: SamplePlan) -> str:
    return (
        f"{plan.samples} samples behind {plan.domain} domain tokens in {plan.slots} slots, "
        f"{_model_title(plan.shape, plan.place)}"
    )


def _model_title(shape: ModelShape, place: ModelPlacement) -> str:
    body = shape.body_weights / 1e6
    return (
        f"{body:.1f} M weights in the body, vocabulary {shape.vocabulary:,}, "
        f"{place.dtype} on {place.device}, {place.attention}"
    )


def _place(options: argparse.Namespace) -> ModelPlacement:
    import torch

    from benchmarks.speed.models import ModelPlacement

    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {options.device!r} is not there: use --device cpu")
    torch.set_num_threads(options.threads)
    return ModelPlacement(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        threads=options.threads,
    )


def _shape(options: argparse.Namespace) -> ModelShape:
    given = {name: getattr(options, name) for name in _SHAPE_FIELDS}
    shape = replace(SHAPES[options.shape], **{k: v for k, v in given.items() if v is not None})
    if shape.hidden % shape.heads or shape.heads % shape.kv_heads:
        raise ValueError(
            f"hidden {shape.hidden}, heads {shape.heads}, kv-heads {shape.kv_heads}: "
            "each must be a multiple of the next"
        )
    return shape


def _write(path: Path, measured: dict[str, Any]) -> None:
    tables: dict[str, list[SpeedRow | EvaluateRow | EngineRow]] = measured["tables"]
    document = {
        "plan": asdict(measured["plan"]),
        "tables": {title: [row.values() for row in rows] for title, rows in tables.items()},
    }
    path.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    fit = commands.add_parser(
        "fit",
        help="one step: official passes, shared prefixes, gradient caching",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    sample = commands.add_parser(
        "sample",
        help="samples: the official way, transformers' generate, our engine",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_fit(fit)
    _add_sample(sample)
    for command in (fit, sample):
        _add_common(command)
    votes = commands.add_parser(
        "votes",
        help="several responses to an instruction: round by round, and all at once",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_votes(votes)
    evaluate = commands.add_parser(
        "evaluate",
        help="the same programs scored by our evaluator and by evalplus's own",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_evaluate(evaluate)
    engines = commands.add_parser(
        "engines",
        help="tokens a second of each engine, from text and behind soft tokens",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_engines(engines)
    backbone = commands.add_parser(
        "backbone",
        help="tokens a second with a real model, compared with plain transformers",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_backbone(backbone)
    scale = commands.add_parser(
        "scale",
        help="a run of 10,000 tasks that cost nothing: what the harness itself takes",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_scale(scale)
    for command in (fit, sample, votes, evaluate, engines, backbone):
        command.add_argument(
            "--rounds", type=_positive, default=3, help="how often each way is timed"
        )
    for command in (fit, sample, votes, evaluate, engines, backbone, scale):
        command.add_argument("--json", type=Path, help="also write plan and rows to this file")
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sample-tokens", type=_positive, default=256, help="Q, a reference's own")
    parser.add_argument("--text-tokens", type=_positive, default=256, help="L, of a reference")
    parser.add_argument("--batch", type=_at_least_two, default=3, help="B, references of a step")
    parser.add_argument(
        "--ragged", action="store_true", help="lengths fall evenly from L to L / 16"
    )
    parser.add_argument(
        "--no-memory", action="store_true", help="leave out peak memory (one process for each way)"
    )


def _add_sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--new-tokens", type=_positive, default=256, help="of a sample, at most")
    parser.add_argument("--samples", type=_positive, default=32, help="drawn by generate and by us")
    parser.add_argument("--one-by-one", type=_positive, default=1, help="drawn the official way")
    parser.add_argument("--slots", type=_positive, default=16, help="rows decoded together")
    parser.add_argument(
        "--mean-length", type=_positive, default=64, help="where samples end unevenly"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain-tokens", type=_positive, default=256, help="P")
    parser.add_argument("--shape", choices=list(SHAPES), default="small", help="of the model")
    for name in _SHAPE_FIELDS:
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=_positive, help="in place of the shape's")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--attention", default="sdpa", help="as transformers names it")
    parser.add_argument("--threads", type=_positive, default=1, help="of the processor")


def _add_votes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--instructions", type=_positive, default=64, help="at most 1,000")
    parser.add_argument("--responses", type=_positive, default=8, help="to each instruction")
    parser.add_argument("--threads", type=_positive, default=1, help="of the processor")


def _add_engines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="housestyle", help="directory or hub name")
    parser.add_argument("--engines", default="transformers", help="names; the others against it")
    parser.add_argument("--batches", type=_positives, default=(1, 16, 64), help="of requests")
    parser.add_argument("--domain-tokens", type=_positive, default=64, help="P")
    parser.add_argument("--new-tokens", type=_positive, default=64, help="of a completion, at most")
    parser.add_argument("--dtype", default="auto", help="of engine vllm")
    parser.add_argument("--eager", action="store_true", help="engine vllm does not compile")


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="smollm2-135m", help="as of benchmarks.run")
    parser.add_argument("--requests", type=_positive, default=8, help="of a round; pairs of a step")
    parser.add_argument("--new-tokens", type=_positive, default=48, help="of a completion, at most")
    parser.add_argument("--domain-tokens", type=_positive, default=16, help="P")
    parser.add_argument("--sample-tokens", type=_positive, default=8, help="Q, a reference's own")
    parser.add_argument("--batch", type=_at_least_two, default=4, help="B, references of a step")
    parser.add_argument("--threads", type=_positive, default=1, help="of the processor")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", choices=["humaneval+", "mbpp+"], default="humaneval+")
    parser.add_argument("--dataset", type=Path, required=True, help="EvalPlus's .jsonl(.gz) file")
    parser.add_argument("--samples", type=Path, required=True, help="generations for it")
    parser.add_argument("--limit", type=_positive, help="problems, from the first on")
    parser.add_argument("--copies", type=_positive, default=1, help="how often each is scored")
    parser.add_argument("--workers", type=_positive, default=1, help="programs at the same time")


def _add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks", type=_positives, default=(1_250, 2_500, 5_000, 10_000), help="sizes of the runs"
    )
    parser.add_argument("--copiers", type=_positive, default=2, help="tasks at the same time")
    parser.add_argument("--no-mlflow", action="store_true", help="leave out the logging")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: give at least 1")
    return value


def _positives(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _at_least_two(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{value}: the contrastive term needs at least 2")
    return value


if __name__ == "__main__":
    sys.exit(exit_code("benchmarks.speed", main))
