"""What a fit of soft tokens asks of a machine: its steps, its held-out losses, its guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.config.run_config import options_of
from benchmarks.methods import load_method, method_config
from benchmarks.planning.flops import FlopCount, official_step, run, shared_step
from benchmarks.planning.work import FitSteps, Generation, Machine, Piece, kept_bytes

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig

_FREE = 0.8  # of the free memory that a step may take before gradients are cached
_HOLD_OUT_FROM = 8
_LOOKED_AT = 0.5  # share of the evaluations that draw samples, which only a new best does: assumed


def prefix_tokens(config: RunConfig, method: str) -> float:
    """Return the soft tokens before each of a method's draws."""
    fit, options = load_method(method).profile.fit, _options(config, method)
    if fit == "none":
        return 0.0
    return float(options.domain_tokens if fit == "domain tokens" else options.prompt_tokens)


def fit_pieces(
    config: RunConfig, method: str, known: Mapping[str, float], machine: Machine
) -> list[Piece]:
    """Return the pieces of a method's fit; none where it trains nothing."""
    fit, options = load_method(method).profile.fit, _options(config, method)
    if fit == "none":
        return []
    if fit == "contextual prompts":
        return _contextual(options, known)
    return _soft(options, config, known, machine)


def _options(config: RunConfig, method: str) -> Any:
    return method_config(method, options_of(config, method))


def _held_out(options: Any, references: float) -> float:
    return round(options.held_out * references) if references >= _HOLD_OUT_FROM else 0


def _contextual(options: Any, known: Mapping[str, float]) -> list[Piece]:
    prompt, length = options.prompt_tokens, round(known["reference_tokens"]) + 1
    rows = run(prompt + length, head=length)
    step = FitSteps(
        steps=options.steps, work=rows * options.batch_size,
        kept=options.batch_size * (prompt + length),
    )  # fmt: skip
    return [step]


def _soft(
    options: Any, config: RunConfig, known: Mapping[str, float], machine: Machine
) -> list[Piece]:
    references = known["references"]
    unseen = _held_out(options, references)
    trained = references - unseen
    a_step = min(options.batch_size, trained)
    steps = options.steps
    if options.epochs is not None:
        steps = options.epochs * max(1, trained // options.batch_size)
    evaluations = max(1, steps // options.evaluate_every)
    length = round(known["reference_tokens"]) + 2
    pieces: list[Piece] = [_steps(options, steps, round(a_step), length, machine)]
    if unseen:
        held_out = run(options.domain_tokens + length, head=length) * round(unseen)
        pieces.append(_forward(held_out, evaluations))
    if options.guard_samples:
        new = min(known["instruction_tokens"], config.sampling.max_new_tokens)
        pieces.append(
            Generation(
                requests=_LOOKED_AT * evaluations * options.guard_samples, prompt=1, new=new,
                limit=min(2 * new, config.sampling.max_new_tokens), shared=options.domain_tokens,
                a_call=options.guard_samples,
            )
        )  # fmt: skip
    return pieces


def _forward(work: FlopCount, times: float) -> Piece:
    """A forward pass costs less than half a step: counted as one third of it."""
    return FitSteps(steps=times / 3, work=work, kept=0)


def _steps(options: Any, steps: float, batch: int, length: int, machine: Machine) -> FitSteps:
    domain, sample = options.domain_tokens, options.sample_tokens
    lengths = [length] * batch
    if not options.weights.needs_matrix:
        alone = run(domain) + run(length, past=domain, head=length) * batch
        return FitSteps(steps=steps, work=alone, kept=domain + batch * length)
    if options.padding == "labels":
        rows = batch * (domain + length) + batch**2 * (domain + sample + length)
        return FitSteps(
            steps=steps, work=official_step(domain, sample, lengths), kept=rows,
            logits=(batch + batch**2) * length,
        )  # fmt: skip
    direct = domain + batch * sample + (batch + batch**2) * length
    again = _cached(options.gradient_caching, direct, machine)
    kept = domain + sample + batch * length if again else direct
    work = shared_step(domain, sample, lengths)
    return FitSteps(steps=steps, work=work, kept=kept, again=again)


def _cached(mode: str, tokens: float, machine: Machine) -> bool:
    free = machine.device.memory_bytes - machine.weight_bytes
    return mode == "always" or (mode == "auto" and tokens * kept_bytes(machine) > _FREE * free)
