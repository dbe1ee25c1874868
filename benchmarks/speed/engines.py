"""`engines`: tokens a second of each engine on the same requests, from text and behind soft tokens.

Where vLLM is among them it is also measured bare. All engines are there at the same time and take
turns, in one order and then in the other, so that a busy machine slows all alike. The processor's
time counts the processes of the engine whose turn it is: a waiting vLLM uses 1 % of a core too.
Each row is printed as soon as it is measured.

Shapes: P domain tokens, H hidden size.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import psutil
import torch

from benchmarks.config.run_config import RunConfig
from benchmarks.engines import engine_factory
from benchmarks.models import resolve_model
from benchmarks.speed.plans import EnginesPlan
from domino.backbone import load_shape
from domino.engines.base import Engine, Request, SoftPrompt
from domino.engines.chat import render_chat
from domino.engines.encoding import Results, make_jobs
from domino.engines.vllm_engine import VllmEngine, order
from domino.engines.vllm_setup import VllmConfig
from domino.records import Sampling

BARE = "vllm, bare"
_TASK = "Write a function that keeps the even numbers of a list and returns their sum."

Taken = tuple[int, float, float]  # tokens, wall seconds, processor seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineRow:
    """One engine on one batch: medians over the rounds.

    Attributes:
        prompts: "text" or "embeds".
        requests: given together.
        name: of the engine.
        tokens: made in a round.
        tokens_per_s: on the wall.
        cpu_us_per_token: of all processes of the engine.
        ratio: tokens a second over those of the first engine, median of the rounds.
        ratio_spread: the least and the greatest of them.
        cpu_ratio: tokens a second of the processor over those of the first engine, likewise: what
            counts where other work shares the machine.
        cpu_ratio_spread: the least and the greatest of them.
    """

    prompts: str
    requests: int
    name: str
    tokens: int
    tokens_per_s: float
    cpu_us_per_token: float
    ratio: float
    ratio_spread: tuple[float, float]
    cpu_ratio: float
    cpu_ratio_spread: tuple[float, float]

    def values(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def measure(
    plan: EnginesPlan, on_row: Callable[[EngineRow], None] = lambda row: None
) -> list[EngineRow]:
    """Return a row for each kind of prompt, batch and engine.

    Args:
        plan: what to measure.
        on_row: called with each row as soon as it is there.

    Raises:
        ConfigError: the model or an engine is not available.
        EngineError: an engine cannot load the model.
    """
    model = str(resolve_model(plan.model))
    with ExitStack() as open_engines:
        ways = {}
        for name in plan.engines:
            run = RunConfig(engine=name, vllm=_shared(plan))
            engine = open_engines.enter_context(engine_factory(run)(model, None))
            ways[name] = _ours(engine)
            if isinstance(engine, VllmEngine):
                ways[BARE] = _bare(engine, open_engines)
        rows = []
        for kind, requests in _requests(plan, model):
            for row in _rows(plan, kind, requests, ways):
                rows.append(row)
                on_row(row)
        return rows


def _shared(plan: EnginesPlan) -> VllmConfig:
    """Return a setting under which our vLLM and the bare one fit on one GPU."""
    return replace(plan.vllm, memory_share=plan.vllm.memory_share / 2)


def _requests(plan: EnginesPlan, model: str) -> Iterator[tuple[str, list[Request]]]:
    shape, tokenizer = load_shape(model)
    text = render_chat(tokenizer, [{"role": "user", "content": _TASK}])
    generator = torch.Generator().manual_seed(0)
    width = shape.get_text_config().hidden_size
    soft_PH = 0.02 * torch.randn(plan.domain_tokens, width, generator=generator)
    prompts: dict[str, str | SoftPrompt] = {
        "text": text,
        "embeds": SoftPrompt(embeds_PH=soft_PH, text=text),
    }
    for kind, prompt in prompts.items():
        for count in plan.batches:
            yield kind, [Request(prompt=prompt, seed=seed) for seed in range(count)]


def _ours(engine: Engine) -> Callable[[Sequence[Request], Sampling], Taken]:
    own: set[psutil.Process] = set()  # started by its calls; what is below others' is theirs

    def generate(requests: Sequence[Request], sampling: Sampling) -> Taken:
        before = _below()  # looking for them takes long
        counted = own & before
        wall, cpu = time.perf_counter(), _cpu_s(counted)
        done = engine.generate(requests, sampling)
        taken = time.perf_counter() - wall, _cpu_s(counted) - cpu
        own.update(_below() - before)
        return sum(completion.tokens for completion in done), *taken

    return generate


def _below() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _bare(
    engine: VllmEngine, open_engines: ExitStack
) -> Callable[[Sequence[Request], Sampling], Taken]:
    from benchmarks.speed import bare_vllm

    (process,) = engine.start(bare_vllm.__name__)
    open_engines.callback(process.close)

    def generate(requests: Sequence[Request], sampling: Sampling) -> Taken:
        jobs = make_jobs(
            engine.tokenizer, requests, sampling, Results(None),
            width=engine.width, context_tokens=engine.context_tokens,
        )  # fmt: skip
        process.send(order(jobs, sampling, engine.end_ids))
        tokens, wall_s, cpu_s = process.receive()
        return tokens, wall_s, cpu_s

    return generate


def _rows(
    plan: EnginesPlan,
    kind: str,
    requests: Sequence[Request],
    ways: Mapping[str, Callable[[Sequence[Request], Sampling], Taken]],
) -> Iterator[EngineRow]:
    sampling = Sampling(temperature=1.0, max_new_tokens=plan.new_tokens)
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    for round_number in range(plan.rounds + 1):  # the first warms up
        for name in list(ways)[:: -1 if round_number % 2 else 1]:
            once = ways[name](requests, sampling)
            if round_number:
                taken[name].append(once)
    first = next(iter(taken.values()))
    for name, rounds in taken.items():
        on_wall = [
            _rate(own, 1) / _rate(other, 1) for own, other in zip(rounds, first, strict=True)
        ]
        on_cpu = [_rate(own, 2) / _rate(other, 2) for own, other in zip(rounds, first, strict=True)]
        yield EngineRow(
            prompts=kind,
            requests=len(requests),
            name=name,
            tokens=rounds[0][0],
            tokens_per_s=statistics.median(_rate(once, 1) for once in rounds),
            cpu_us_per_token=1e6 * statistics.median(1 / _rate(once, 2) for once in rounds),
            ratio=statistics.median(on_wall),
            ratio_spread=(min(on_wall), max(on_wall)),
            cpu_ratio=statistics.median(on_cpu),
            cpu_ratio_spread=(min(on_cpu), max(on_cpu)),
        )


def _rate(taken: Taken, clock: Literal[1, 2]) -> float:
    """Return tokens a second, of the wall's (1) or the processor's (2)."""
    return taken[0] / taken[clock]


def _cpu_s(own: Iterable[psutil.Process]) -> float:
    """Return the processor's seconds of this process and, to a hundredth, of each of these."""
    used = time.process_time()
    for process in own:
        times = process.cpu_times()
        used += times.user + times.system
    return used


def table(title: str, rows: Sequence[EngineRow]) -> str:
    """Return the rows as text."""
    heads = [
        "prompts", "requests", "engine", "tokens/s", "CPU µs/token", "× first", "(spread)",
        "× first, CPU", "(spread)",
    ]  # fmt: skip
    cells = [heads, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([title, *lines]) + "\n"


def line(row: EngineRow) -> str:
    """Return a row as one line for whoever waits for the table."""
    return " · ".join(_cells(row))


def _cells(row: EngineRow) -> list[str]:
    spreads = [f"{low:.2f} to {high:.2f}" for low, high in (row.ratio_spread, row.cpu_ratio_spread)]
    return [
        row.prompts, str(row.requests), row.name, f"{row.tokens_per_s:,.0f}",
        f"{row.cpu_us_per_token:,.0f}", f"{row.ratio:.2f}", spreads[0], f"{row.cpu_ratio:.2f}",
        spreads[1],
    ]  # fmt: skip
