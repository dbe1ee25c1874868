"""This machine as a device: the shipped backbone at work for some seconds, and a matrix product.

Training is measured at two sizes: what grows with the products is their share of the peak, what
does not is the price of a pass. Decoding has the share of fine-tuning, and also a price of a
pass and one of each row. Where torch has one thread the processor's time counts, which neighbours
on a busy machine do not lengthen; where it has several, the best time on the wall.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.planning.devices import THIS_MACHINE, Device, MeasuredSpeed
from benchmarks.planning.flops import FlopCount, run, shared_step
from benchmarks.planning.shapes import find_shape

if TYPE_CHECKING:
    from benchmarks.sandbox import SandboxConfig
    from domino.engines.transformers_engine import TransformersEngine

_ROUNDS = 3
_NEW = 48
_SMALL_ROWS, _LARGE_ROWS = 1, 64
_COPIED = 64 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One size of one kind of work: seconds, passes through the model, rows, operations."""

    seconds: float
    passes: float
    rows: float
    flops: float


@functools.cache
def measure() -> Device:
    """Return this machine as a device."""
    import psutil

    began = {clock: clock() for clock in (time.process_time, time.perf_counter)}
    import torch

    from domino.engines.transformers_engine import TransformersEngine

    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = TransformersEngine.load(_checkpoint())
    trainer = _trainer(engine)
    start_s = _clock()() - began[_clock()]
    peak = _peak(device)
    tune = solve(trainer(), peak)
    decode = solve_rows(_decoding(engine), tune.share, peak)
    memory = (
        torch.cuda.get_device_properties(0).total_memory
        if device == "cuda"
        else psutil.virtual_memory().total
    )
    return Device(
        name=THIS_MACHINE,
        flops_per_s=peak,
        bytes_per_s=_bandwidth(device),
        memory_bytes=int(memory),
        bandwidth_share=1.0,  # what a copy reaches is what is measured
        decode=decode,
        graphs=decode,
        fit=solve(_fitting(engine), peak),
        tune=tune,
        source=f"measured here, on {device} with {torch.get_num_threads()} threads of torch",
        program_s=_program_s(),
        start_s=start_s,
        float32=device == "cpu",
    )


def solve(samples: Sequence[Sample], peak: float) -> MeasuredSpeed:
    """Return the pace that takes two samples' times: a price of a pass, and a share of the peak.

    Where the larger one costs less than its products let expect, no pass is free: all its time is
    then the products'.
    """
    small, large = samples
    layers = find_shape("housestyle").layers
    apart = large.flops / large.passes - small.flops / small.passes
    rate = apart / max(1e-12, large.seconds / large.passes - small.seconds / small.passes)
    rate = min(rate, peak)
    pass_s = max(0.0, small.seconds - small.flops / rate) / small.passes / layers
    return MeasuredSpeed(share=rate / peak, pass_s=pass_s)


def solve_rows(samples: Sequence[Sample], share: float, peak: float) -> MeasuredSpeed:
    """Return the speed of decoding: FLOPs, an overhead per pass and one per row."""
    few, many = samples
    layers = find_shape("housestyle").layers
    rest = [(s.seconds - s.flops / (share * peak)) / s.passes for s in samples]
    row_s = max(0.0, (rest[1] - rest[0]) / (many.rows - few.rows))
    pass_s = max(0.0, rest[0] - few.rows * row_s) / layers
    return MeasuredSpeed(share=share, pass_s=pass_s, row_s=row_s)


def _checkpoint() -> Any:
    from benchmarks.suites.housestyle.backbone import CHECKPOINT

    return CHECKPOINT


def best_s(way: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """Return the least seconds of several rounds, the first left out."""
    import torch

    clock = _clock()
    taken = []
    for _ in range(rounds + 1):
        began = clock()
        way()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(clock() - began)
    return min(taken[1:])


def _clock() -> Callable[[], float]:
    """Return the processor's clock where torch has one thread of it, else the wall's."""
    import torch

    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return time.process_time if alone else time.perf_counter


def _peak(device: str) -> float:
    import torch

    size = 8192 if device == "cuda" else 1024
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in "ab")
    return 2 * size**3 / best_s(lambda: left @ right)


def _bandwidth(device: str) -> float:
    import torch

    source = torch.ones(_COPIED // 4, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED / best_s(lambda: target.copy_(source))


def _decoding(engine: TransformersEngine) -> list[Sample]:
    """Time completions of one row and of many; rows are those in use, on average."""
    from domino.engines.base import Request
    from domino.records import Sampling

    shape = find_shape("housestyle")
    prompt = engine.render([{"role": "user", "content": _texts()[0]}])
    sampling = Sampling(temperature=1.0, max_new_tokens=_NEW)
    length = engine.count_tokens(prompt)
    samples = []
    for rows in (_SMALL_ROWS, _LARGE_ROWS):
        requests = [Request(prompt=prompt, seed=row) for row in range(rows)]
        made = engine.generate(requests, sampling)
        steps, tokens = max(c.tokens for c in made), sum(c.tokens for c in made)
        seconds = best_s(functools.partial(engine.generate, requests, sampling))
        grown = run(max(1, tokens // rows), past=length, head=max(1, tokens // rows)) * rows
        work = run(length) + grown
        work_flops = work.forward(shape)
        samples.append(Sample(seconds=seconds, passes=steps, rows=tokens / steps, flops=work_flops))
    return samples


def _fitting(engine: TransformersEngine) -> list[Sample]:
    """Time steps of the fit at two sizes of the batch."""
    import torch

    from domino.fit_config import FitConfig
    from domino.fit_losses import FitLosses
    from domino.fit_run import FitRun
    from domino.shared_prefix import Text

    shape, samples = find_shape("housestyle"), []
    for batch, domain, sample in ((2, 4, 2), (4, 16, 8)):
        config = FitConfig(domain_tokens=domain, sample_tokens=sample, batch_size=batch)
        ids = [engine.tokenizer(text)["input_ids"] for text in _texts()[:batch]]
        texts = [Text(torch.tensor(own, device=engine.model.device)) for own in ids]
        fit = FitRun(FitLosses(engine.model, config), texts, config, 0)
        step = functools.partial(
            fit.step, range(batch), learning_rate=1e-3, weights=config.weights_at(1, 100)
        )
        work = shared_step(domain, sample, [len(own) for own in ids])
        samples.append(Sample(seconds=best_s(step), passes=1, rows=batch, flops=work.step(shape)))
    return samples


def _trainer(engine: TransformersEngine) -> Callable[[], list[Sample]]:
    """Import what fine-tuning needs, and return the function that times its steps."""
    from benchmarks.stages.finetuning.trainer import make_trainer  # noqa: F401 - the import is what takes time

    return functools.partial(_tuning, engine)


def _tuning(engine: TransformersEngine) -> list[Sample]:
    return [_tuned(engine, rows) for rows in (4, 32)]


def _tuned(engine: TransformersEngine, rows: int) -> Sample:
    """Time steps of the harness's own trainer, by the clock between them."""
    import tempfile

    from transformers import TrainerCallback

    from benchmarks.stages.finetuning.config import FinetuneConfig
    from benchmarks.stages.finetuning.pairs import training_pairs
    from benchmarks.stages.finetuning.trainer import make_trainer
    from benchmarks.suites.protocol import PLAIN
    from domino.backbone import load_backbone
    from domino.records import Provenance, Synthetic

    clock = _clock()
    ends: list[float] = []

    class Clock(TrainerCallback):
        """Notes when a step ends."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            """Note it."""
            ends.append(clock())

    model, tokenizer = load_backbone(_checkpoint())
    provenance = Provenance(method="calibration", seed=0)
    texts = _texts()
    records = [
        Synthetic(id=str(row), instruction=texts[row % len(texts)], response=texts[0],
                  provenance=provenance)
        for row in range(rows)
    ]  # fmt: skip
    config = FinetuneConfig(steps=_ROUNDS + 2, batch_size=rows)
    with _no_bars(), tempfile.TemporaryDirectory() as scratch:
        pairs = training_pairs(records, PLAIN, tokenizer)
        trainer = make_trainer(config, pairs, model, tokenizer, seed=0, scratch=scratch)
        trainer.add_callback(Clock())
        trainer.train()
    lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    tokens = sum(lengths) // len(lengths) + lengths[0]
    work: FlopCount = run(tokens, head=tokens) * rows
    steps = [after - before for before, after in itertools.pairwise(ends)]
    return Sample(
        seconds=min(steps), passes=1, rows=rows, flops=work.step(find_shape("housestyle"))
    )


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Silence the bars of datasets, which the trainer prepares its rows by."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    were_on = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if were_on:
            enable_progress_bars()


def _program_s() -> float | None:
    """Return a program's time in the sandbox, its problem's making included; None without one."""
    from benchmarks.sandbox import NoSandboxError, SandboxConfig

    config = replace(SandboxConfig(), workers=1)
    clock = _with_children_s if _clock() is time.process_time else time.perf_counter
    taken = []
    try:
        for seed in range(_ROUNDS):
            began = clock()
            count = _run_candidates(config, seed)
            taken.append((clock() - began) / count)
    except NoSandboxError:
        return None
    return min(taken[1:])


def _run_candidates(config: SandboxConfig, seed: int) -> int:
    """Run right programs as the response filter does: eight candidates for each instruction."""
    from benchmarks.evaluator.check import behaviours
    from benchmarks.suites.housestyle.suite import load
    from benchmarks.suites.registry import SuiteOptions
    from domino.records import Program

    suite, pairs = load(SuiteOptions()), []
    for reference in suite.right_pairs()[:16]:
        problem = suite.behaviour_problem(reference.instruction, seed)
        for number in range(8):
            key, code = f"{reference.id}/{number}", str(reference.response)
            if problem is not None and not suite.refuse_response(reference.instruction, code):
                pairs.append((problem, Program(id=key, problem_id=problem.id, code=code)))
    behaviours(pairs, config)
    return len(pairs)


def _with_children_s() -> float:
    """Return the processor's seconds of this process and of its ended children."""
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _texts() -> list[str]:
    from benchmarks.suites.registry import SuiteOptions, load_suite

    return [r.instruction for r in load_suite("housestyle", SuiteOptions()).references()[:8]]
