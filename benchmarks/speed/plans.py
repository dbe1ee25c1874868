"""What each measurement of speed can be asked: its fields are the options of its command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.models import HOUSESTYLE_MODEL
from benchmarks.planning.flops import ModelShape
from domino.engines.vllm_setup import VllmConfig


def _require_positive(plan: Any) -> None:
    for name in plan.__dataclass_fields__:
        value = getattr(plan, name)
        for count in value if isinstance(value, tuple) else (value,):
            if isinstance(count, int) and not isinstance(count, bool) and count < 1:
                raise ValueError(f"{name} is {count}: give at least 1")


def _require_pair(batch: int) -> None:
    if batch < 2:
        raise ValueError(f"batch is {batch}: the contrastive term needs at least 2 references")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPlacement:
    """Where and how a model runs.

    Attributes:
        device: cpu, cuda, cuda:1, ...
        dtype: float32, bfloat16 or float16.
        attention: implementation, as named by transformers.
        threads: processor threads.
    """

    device: str = "cpu"
    dtype: str = "float32"
    attention: str = "sdpa"
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse an unknown dtype."""
        if self.dtype not in ("float32", "bfloat16", "float16"):
            raise ValueError(f"dtype is {self.dtype!r}: give float32, bfloat16 or float16")
        _require_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class FitPlan:
    """one step of the fit: official passes, shared prefixes, gradient caching.

    Attributes:
        shape: of the model.
        place: where it runs.
        domain_tokens: P.
        sample_tokens: Q, for each reference.
        text_tokens: L, length of the longest reference.
        batch: B, references per step.
        ragged: lengths decrease evenly from L to L / 16.
        rounds: number of timed rounds.
        memory: also measure peak memory, in a new process for each implementation.
    """

    shape: ModelShape = field(default_factory=ModelShape)
    place: ModelPlacement = field(default_factory=ModelPlacement)
    domain_tokens: int = 256
    sample_tokens: int = 256
    text_tokens: int = 256
    batch: int = 3
    ragged: bool = False
    rounds: int = 3
    memory: bool = True

    def __post_init__(self) -> None:
        """Refuse counts that cannot be measured."""
        _require_positive(self)
        _require_pair(self.batch)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each reference."""
        fall = 15 / 16 / max(self.batch - 1, 1) if self.ragged else 0.0
        return [max(2, round(self.text_tokens * (1 - fall * place))) for place in range(self.batch)]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplePlan:
    """sampling after soft tokens: official implementation, transformers' generate, our engine.

    Attributes:
        shape: of the model.
        place: where it runs.
        domain_tokens: P.
        new_tokens: tokens per sample; the maximum where lengths vary.
        samples: number of samples.
        one_by_one: samples drawn by the official implementation; times are compared per token.
        slots: samples decoded at the same time.
        mean_length: mean length of a sample where lengths vary.
        rounds: number of timed rounds.
    """

    shape: ModelShape = field(default_factory=ModelShape)
    place: ModelPlacement = field(default_factory=ModelPlacement)
    domain_tokens: int = 256
    new_tokens: int = 256
    samples: int = 32
    one_by_one: int = 1
    slots: int = 16
    mean_length: int = 64
    rounds: int = 3

    def __post_init__(self) -> None:
        """Refuse counts that cannot be measured."""
        _require_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatePlan:
    """the same programs, scored by our evaluator and by evalplus's.

    Attributes:
        suite: humaneval+ or mbpp+.
        dataset: EvalPlus's .jsonl or .jsonl.gz file; required.
        samples: generations in EvalPlus's format; required.
        limit: number of problems, from the first; null is all.
        copies: how often each program is scored.
        workers: programs at the same time, in both evaluators.
        rounds: number of timed rounds.
    """

    suite: str = "humaneval+"
    dataset: Path = Path()
    samples: Path = Path()
    limit: int | None = None
    copies: int = 1
    workers: int = 1
    rounds: int = 1

    def __post_init__(self) -> None:
        """Refuse another suite, and counts that cannot be measured."""
        if self.suite not in ("humaneval+", "mbpp+"):
            raise ValueError(f"suite is {self.suite!r}: give humaneval+ or mbpp+")
        _require_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnginesPlan:
    """throughput of each engine, from text and from soft tokens.

    Attributes:
        model: as `--model` of benchmarks.run.
        engines: names of engines; the others are compared with the first.
        batches: numbers of requests given together.
        domain_tokens: P, soft tokens in half of the requests.
        new_tokens: maximum tokens per completion.
        rounds: number of timed rounds.
        vllm: options of vLLM.
    """

    model: str = HOUSESTYLE_MODEL
    engines: tuple[str, ...] = ("transformers",)
    batches: tuple[int, ...] = (1, 16, 64)
    domain_tokens: int = 64
    new_tokens: int = 64
    rounds: int = 3
    vllm: VllmConfig = field(default_factory=VllmConfig)

    def __post_init__(self) -> None:
        """Refuse counts that cannot be measured."""
        _require_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class BackbonePlan:
    """a real model: sampling, evaluation, fit and fine-tuning, compared with plain transformers.

    Attributes:
        model: as `--model` of benchmarks.run.
        requests: completions per round, and pairs per fine-tuning step.
        new_tokens: maximum tokens per completion.
        domain_tokens: P.
        sample_tokens: Q, for each reference.
        batch: B, references per step of the fit.
        rounds: number of timed rounds.
        threads: processor threads.
    """

    model: str = "smollm2-135m"
    requests: int = 8
    new_tokens: int = 48
    domain_tokens: int = 16
    sample_tokens: int = 8
    batch: int = 4
    rounds: int = 3
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse counts that cannot be measured."""
        _require_positive(self)
        _require_pair(self.batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalePlan:
    """overhead of the harness in a run of up to 10,000 stages that cost nothing.

    Attributes:
        tasks: sizes of the runs, in stages.
        copiers: stages copied at the same time.
        mlflow: also log the finished runs to MLflow.
    """

    tasks: tuple[int, ...] = (1_250, 2_500, 5_000, 10_000)
    copiers: int = 2
    mlflow: bool = True

    def __post_init__(self) -> None:
        """Refuse counts that cannot be measured."""
        _require_positive(self)


Plan = FitPlan | SamplePlan | EvaluatePlan | EnginesPlan | BackbonePlan | ScalePlan

PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "fit": FitPlan(),
        "sample": SamplePlan(),
        "evaluate": EvaluatePlan(),
        "engines": EnginesPlan(),
        "backbone": BackbonePlan(),
        "scale": ScalePlan(),
    }
)
"""The measurements by name, with their defaults."""
