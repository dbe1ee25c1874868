"""`sample`: drawing samples behind domain tokens, one by one, by `generate`, and by our engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.planning import flops
from benchmarks.speed.models import random_model, word_tokenizer
from benchmarks.speed.official import sample_one_by_one
from benchmarks.speed.plans import SamplePlan
from benchmarks.speed.rows import SpeedRow, TimedCalls, rows
from benchmarks.speed.timing import interleaved, matmul_peak
from domino.engines.base import Request, SoftPrompt
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling

OFFICIAL, GENERATE, ENGINE = "official, one by one", "transformers generate", "our engine"


def measure_even(plan: SamplePlan) -> list[SpeedRow]:
    """Return the official way and ours where every sample has `new` tokens."""
    model = random_model(plan.shape, plan.place, plan.domain_tokens + plan.new_tokens)
    prompt_PH = _prompt(plan, model)
    engine = _engine(model, plan)

    def official() -> list[int]:
        sample_one_by_one(model, prompt_PH, plan.one_by_one, plan.new_tokens)
        return [plan.new_tokens] * plan.one_by_one

    return _rows(plan, {OFFICIAL: official, ENGINE: lambda: _drawn(engine, prompt_PH, plan)})


def measure_uneven(plan: SamplePlan) -> list[SpeedRow]:
    """Return `generate` and ours where samples end at their own, uneven lengths.

    A share of the vocabulary ends a sample. Random weights draw all words about equally often, so
    that lengths are geometric, as near as random weights come to real ends of text.
    """
    model = random_model(plan.shape, plan.place, plan.domain_tokens + plan.new_tokens)
    model.generation_config.eos_token_id = list(range(0, plan.shape.vocabulary, plan.mean_length))
    prompt_PH = _prompt(plan, model)
    engine = _engine(model, plan)
    return _rows(
        plan,
        {
            GENERATE: lambda: _generated(model, prompt_PH, plan),
            ENGINE: lambda: _drawn(engine, prompt_PH, plan),
        },
    )


def _prompt(plan: SamplePlan, model: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn_PH = 0.02 * torch.randn(plan.domain_tokens, plan.shape.hidden, generator=generator)
    return drawn_PH.to(model.device)


def _engine(model: Any, plan: SamplePlan) -> TransformersEngine:
    return TransformersEngine(model, word_tokenizer(plan.shape.vocabulary), slots=plan.slots)


def _drawn(engine: TransformersEngine, prompt_PH: torch.Tensor, plan: SamplePlan) -> list[int]:
    prompt = SoftPrompt(embeds_PH=prompt_PH)
    requests = [Request(prompt=prompt, seed=seed) for seed in range(plan.samples)]
    completions = engine.generate(
        requests, Sampling(temperature=1.0, max_new_tokens=plan.new_tokens)
    )
    return [completion.tokens for completion in completions]


@torch.inference_mode()
def _generated(model: Any, prompt_PH: torch.Tensor, plan: SamplePlan) -> list[int]:
    """Draw in batches of `slots`, each as long as its longest sample; return the lengths."""
    ends = torch.tensor(model.generation_config.eos_token_id, device=model.device)
    torch.manual_seed(0)
    lengths: list[int] = []
    for start in range(0, plan.samples, plan.slots):
        rows = min(plan.slots, plan.samples - start)
        prompt_RPH = prompt_PH.to(model.dtype).expand(rows, -1, -1)
        mask_RP = torch.ones(prompt_RPH.shape[:2], dtype=torch.long, device=model.device)
        tokens_RN = model.generate(
            inputs_embeds=prompt_RPH,
            attention_mask=mask_RP,
            max_new_tokens=plan.new_tokens,
            do_sample=True,
            top_k=0,
            pad_token_id=int(ends[0]),
        )
        ended_RN = torch.isin(tokens_RN, ends)
        open_R = (ended_RN.long().cumsum(1) == 0).sum(1)
        lengths += (open_R + ended_RN.any(1).long()).tolist()
    return lengths


def _rows(plan: SamplePlan, ways: dict[str, Callable[[], list[int]]]) -> list[SpeedRow]:
    lengths: dict[str, list[int]] = {}

    def noted(name: str) -> Callable[[], None]:
        return lambda: lengths.update({name: ways[name]()})

    device, by_name = plan.place.device, {name: noted(name) for name in ways}
    for way in by_name.values():
        way()
    times = interleaved(by_name, rounds=plan.rounds, device=device)
    done = {
        name: TimedCalls(tokens=sum(own), flops=_work(plan, name, own).forward(plan.shape))
        for name, own in lengths.items()
    }
    return rows(times, done, matmul_peak(device, plan.place.dtype))


def _work(plan: SamplePlan, name: str, lengths: list[int]) -> flops.FlopCount:
    if name == OFFICIAL:
        return flops.one_by_one(plan.domain_tokens, plan.new_tokens) * len(lengths)
    if name == GENERATE:
        return flops.in_batches(plan.domain_tokens, lengths, plan.slots)
    return flops.batched(plan.domain_tokens, lengths)
