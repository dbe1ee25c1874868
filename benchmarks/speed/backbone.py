"""`backbone`: a real model's sampling, evaluation, fit and fine-tuning against plain transformers.

The plain ways are what a script of some twenty lines does: `generate` in padded batches, `generate`
one prompt at a time (as evalplus does), the official passes of the fit, a loop over padded batches
with peft. Loading is not timed.

Shapes: R rows, L positions of the longest text.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.models import resolve_model
from benchmarks.speed.official import WEIGHTS, official_objective
from benchmarks.speed.plans import BackbonePlan
from benchmarks.stages.finetuning.config import FinetuneConfig
from benchmarks.stages.finetuning.pairs import training_pairs
from benchmarks.stages.finetuning.trainer import make_trainer, no_bars
from benchmarks.suites.protocol import PLAIN
from domino.backbone import load_backbone
from domino.engines.base import Request
from domino.engines.transformers_engine import TransformersEngine
from domino.objective import objective
from domino.records import Provenance, Sampling, Synthetic
from domino.shared_prefix import Text, loss_matrix
from domino.soft_tokens import Vocabulary, initial_tokens

_IGNORED = -100
_TASK = "Write a Python function f(values) that keeps the multiples of {n} and returns their sum."
_ANSWER = "```python\ndef f(values):\n    return sum(v for v in values if v % {n} == 0)\n```"

Taken = tuple[int, float]
"""Tokens, and seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneRow:
    """Tokens a second of one kind of work: medians over rounds, and their ratio round by round.

    Seconds are the processor's, which other work on the machine does not lengthen; with a GPU they
    are the wall's.
    """

    work: str
    ours: float
    plain: float
    ratio: float
    low: float
    high: float

    def values(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def measure(plan: BackbonePlan) -> list[BackboneRow]:
    """Return one row for each kind of work, ours and the plain way."""
    torch.set_num_threads(plan.threads)
    path = str(resolve_model(plan.model))
    return [
        _compared("sampling", plan, *_generation(plan, path, temperature=1.0)),
        _compared("evaluation", plan, *_generation(plan, path, temperature=0.0)),
        _compared("fit", plan, *_fit(plan, path)),
        _compared("fine-tuning", plan, *_finetuning(plan, path)),
    ]


def _compared(
    work: str, plan: BackbonePlan, ours: Callable[[], Taken], plain: Callable[[], Taken]
) -> BackboneRow:
    """Run both ways in turn."""
    rates = []
    for _ in range(plan.rounds):
        taken = ours(), plain()
        rates.append([tokens / seconds for tokens, seconds in taken])
    ratios = [own / other for own, other in rates]
    return BackboneRow(
        work=work,
        ours=statistics.median(own for own, _ in rates),
        plain=statistics.median(other for _, other in rates),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
    )


def _clock() -> float:
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def _timed(work: Callable[[], int]) -> Taken:
    began = _clock()
    tokens = work()
    return tokens, _clock() - began


def _generation(
    plan: BackbonePlan, path: str, *, temperature: float
) -> tuple[Callable[[], Taken], Callable[[], Taken]]:
    """Sampling in one padded batch, or greedy completions one by one, and our engine."""
    model, tokenizer = load_backbone(path)
    engine = TransformersEngine(model, tokenizer)
    prompts = [_prompt(tokenizer, n) for n in range(2, 2 + plan.requests)]
    size = len(prompts) if temperature else 1
    how = {"do_sample": True, "top_k": 0} if temperature else {"do_sample": False}
    requests = [Request(prompt=prompt, seed=n) for n, prompt in enumerate(prompts)]
    sampling = Sampling(temperature=temperature, max_new_tokens=plan.new_tokens)

    def ours() -> int:
        return sum(made.tokens for made in engine.generate(requests, sampling))

    @torch.inference_mode()
    def plain() -> int:
        tokenizer.padding_side = "left"
        tokens = 0
        for start in range(0, len(prompts), size):
            batch = tokenizer(
                prompts[start : start + size], return_tensors="pt", padding=size > 1,
                add_special_tokens=False,
            )  # fmt: skip
            given = batch["input_ids"].shape[1]
            made_RL = model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                max_new_tokens=plan.new_tokens, **how,
                pad_token_id=tokenizer.pad_token_id,
            )[:, given:]  # fmt: skip
            ended_RL = torch.isin(made_RL, torch.tensor(sorted(engine.end_ids)))
            open_R = (ended_RL.long().cumsum(1) == 0).sum(1)
            tokens += int((open_R + ended_RL.any(1).long()).sum())
        return tokens

    return lambda: _timed(ours), lambda: _timed(plain)


def _fit(plan: BackbonePlan, path: str) -> tuple[Callable[[], Taken], Callable[[], Taken]]:
    """One step of the fit, loss and gradients: shared prefixes and the official passes."""
    model, tokenizer = load_backbone(path)
    texts = [
        Text(torch.tensor(tokenizer(_TASK.format(n=n), add_special_tokens=False)["input_ids"]))
        for n in range(2, 2 + plan.batch)
    ]
    how = torch.Generator().manual_seed(0)
    start = initial_tokens(
        Vocabulary(model), plan.domain_tokens + plan.batch * plan.sample_tokens, "vocabulary", how
    )
    domain_PH = start[: plan.domain_tokens].clone().requires_grad_()
    own = start[plan.domain_tokens :].unflatten(0, (plan.batch, plan.sample_tokens))
    sample_BQH = own.clone().requires_grad_()
    tokens = sum(map(len, texts))

    def ours() -> int:
        losses = loss_matrix(model, domain_PH, sample_BQH, texts, gradient_caching=False)
        torch.autograd.grad(objective(*losses, WEIGHTS).total, (domain_PH, sample_BQH))
        return tokens

    def plain() -> int:
        total = official_objective(model, domain_PH, sample_BQH, texts)
        torch.autograd.grad(total, (domain_PH, sample_BQH))
        return tokens

    return lambda: _timed(ours), lambda: _timed(plain)


def _finetuning(plan: BackbonePlan, path: str) -> tuple[Callable[[], Taken], Callable[[], Taken]]:
    """Two steps over the same pairs: the harness's trainer and a loop over padded batches."""
    config = FinetuneConfig(steps=2, batch_size=plan.requests)
    numbers = range(2, 2 + plan.requests)

    def ours() -> Taken:
        model, tokenizer = load_backbone(path)
        source = Provenance(method="speed", seed=0)
        records = [
            Synthetic(
                id=str(n), instruction=_TASK.format(n=n), response=_ANSWER.format(n=n),
                provenance=source,
            )
            for n in numbers
        ]  # fmt: skip
        pairs = training_pairs(records, PLAIN, tokenizer)
        tokens = config.steps * sum(len(ids) for ids, _ in _pairs(tokenizer, numbers))
        with no_bars(), tempfile.TemporaryDirectory() as scratch:
            trainer = make_trainer(config, pairs, model, tokenizer, seed=0, scratch=scratch)
            began = _clock()
            trainer.train()
            return tokens, _clock() - began

    def plain() -> Taken:
        model, tokenizer = load_backbone(path)
        model, pairs = _with_adapter(config, model), _pairs(tokenizer, numbers)
        return _timed(lambda: _loop(config, model, pairs, tokenizer.pad_token_id))

    return ours, plain


def _with_adapter(config: FinetuneConfig, model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, lora).train()


def _loop(
    config: FinetuneConfig, model: Any, pairs: Sequence[tuple[list[int], int]], pad: int
) -> int:
    """Take the steps and return the tokens that were trained on, prompts included."""
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=config.learning_rate
    )
    longest = max(len(ids) for ids, _ in pairs)
    ids_RL = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in pairs])
    mask_RL = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in pairs])
    labels_RL = ids_RL.masked_fill(mask_RL == 0, _IGNORED)
    for row, (_, given) in enumerate(pairs):
        labels_RL[row, :given] = _IGNORED
    for _ in range(config.steps):
        loss = model(input_ids=ids_RL, attention_mask=mask_RL, labels=labels_RL).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
    return config.steps * int(mask_RL.sum())


def _prompt(tokenizer: Any, number: int) -> str:
    turns = [{"role": "user", "content": _TASK.format(n=number)}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _pairs(tokenizer: Any, numbers: Sequence[int]) -> list[tuple[list[int], int]]:
    """Return the ids of each pair, and how many of them are the prompt's."""
    pairs = []
    for number in numbers:
        prompt = tokenizer(_prompt(tokenizer, number), add_special_tokens=False)["input_ids"]
        answer = _ANSWER.format(n=number) + tokenizer.eos_token
        rest = tokenizer(answer, add_special_tokens=False)["input_ids"]
        pairs.append(([*prompt, *rest], len(prompt)))
    return pairs


def table(title: str, rows: Sequence[BackboneRow]) -> str:
    """Return the rows as text."""
    cells = [["", "ours, tokens/s", "plain, tokens/s", "ratio", "(spread)"]]
    cells += [
        [
            row.work, f"{row.ours:,.0f}", f"{row.plain:,.0f}", f"{row.ratio:.2f}",
            f"{row.low:.2f} to {row.high:.2f}",
        ]
        for row in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([title, *lines]) + "\n"
