"""The optimisation loop: soft tokens that reconstruct the references behind a frozen model.

Shapes: P domain tokens, H hidden size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from domino.checkpoints import CheckpointFile, fit_identity
from domino.diagnostics import Guard
from domino.distributed import World
from domino.fit_config import FitConfig, FittingError
from domino.fit_losses import FitLosses
from domino.fit_run import FitRun
from domino.records import derive_seed
from domino.selection import Selection
from domino.shared_prefix import Text, estimate_memory

Log = Callable[[Mapping[str, float], int], None]
HOLD_OUT_FROM = 8
"""With fewer references than this, all are trained on and the last step counts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """The domain tokens that a fit keeps.

    Attributes:
        domain_PH: the tokens [P, H], float32 on the CPU.
        step: the step that they were taken at.
        held_out_loss: their mean loss over held-out references; None where none was held out.
        diagnostics: all that was logged at that step.
        curve: all that was logged at each evaluation, with its "step".
    """

    domain_PH: torch.Tensor
    step: int
    held_out_loss: float | None
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()


def fit_tokens(
    model: Any,
    texts: Sequence[Text],
    config: FitConfig,
    seed: int,
    *,
    initial_ids: Sequence[int] = (),
    pad_id: int = 0,
    guard: Guard | None = None,
    checkpoints: Path | None = None,
    log: Log = lambda metrics, step: None,
    notify: Callable[[str], None] = lambda text: None,
) -> Fitted:
    """Fit soft tokens to texts; equal seeds give equal tokens.

    Under `accelerate launch` every process calls this with the same arguments and gets the same
    tokens; see `domino.distributed`.

    Args:
        model: a causal language model in eval mode whose weights are frozen.
        texts: at least two, each with an end token, or samples never stop.
        config: how.
        seed: of initialisation, order and hold-out.
        initial_ids: the ids of `config.initial_text`.
        pad_id: the padding token, for `config.padding` "labels".
        guard: samples from a possible checkpoint to check for copies; None for no check.
        checkpoints: directory for resuming an interrupted fit by a call with the same arguments;
            only the first process reads and writes it.
        log: called after each step with every term, loss, norm and cosine, in the first process;
            a resumed fit first logs the earlier steps.
        notify: called once before the first step, with an estimate of a step's memory.

    Raises:
        FittingError: the model is not frozen, the texts do not fit it, the checkpoint is not this
            fit's, or the objective is not finite.
    """
    check_frozen(model)
    check_texts(model, texts, config)
    world = World.of(model.device)
    kept, held_out = split(len(texts), config.held_out, seed)
    check_parts(len(kept), world)
    caching = _gradient_caching(model, texts, config, notify)
    passes = FitLosses(model, config, pad_id, caching)
    trained, unseen = [texts[i] for i in kept], [texts[i] for i in held_out]
    run = FitRun(passes, trained, config, seed, initial_ids=initial_ids, world=world)
    selection = Selection(passes, unseen, config, guard=guard, world=world)
    file = None
    if checkpoints is not None and config.checkpoint_every:
        more = {"initial": list(initial_ids), "pad": pad_id, "processes": world.size}
        file = CheckpointFile(checkpoints, fit_identity(model, config, seed, texts, **more))
    return _Loop(run, selection, config, world, file, log).fit()


def _gradient_caching(
    model: Any, texts: Sequence[Text], config: FitConfig, notify: Callable[[str], None]
) -> bool:
    """Return whether gradients are cached; the official passes have no such mode."""
    if not config.weights.needs_matrix or config.padding == "labels":
        return False
    estimate = estimate_memory(
        model,
        domain_tokens=config.domain_tokens,
        sample_tokens=config.sample_tokens,
        batch_size=min(config.batch_size + 1, len(texts)),  # a rest of one joins a batch
        text_tokens=max(map(len, texts)),
    )
    caching = estimate.gradient_caching(config.gradient_caching)
    notify(f"{estimate.describe()}; gradients are {'cached' if caching else 'not cached'}")
    return caching


class _Loop:
    """Steps, evaluations and checkpoints, from the start or from where a killed fit stopped."""

    def __init__(
        self,
        run: FitRun,
        selection: Selection,
        config: FitConfig,
        world: World,
        file: CheckpointFile | None,
        log: Log,
    ) -> None:
        self._run, self._selection, self._config = run, selection, config
        self._world, self._file, self._log = world, file, log
        self._rows: list[dict[str, float]] = []
        self._total = run.total_steps

    def fit(self) -> Fitted:
        self._resume()
        batches = itertools.islice(self._run.batches(), len(self._rows), self._total)
        for batch in batches:
            if self._selection.exhausted:
                break
            step = len(self._rows) + 1
            self._rows.append(self._step(batch, step))
            if self._world.first:
                self._log(self._rows[-1], step)
            self._keep(step)
        return self._fitted()

    def _step(self, batch: Sequence[int], step: int) -> dict[str, float]:
        config = self._config
        metrics = self._run.step(
            batch,
            learning_rate=config.learning_rate * (1 - (step - 1) / self._total),
            weights=config.weights_at(step, self._total),
        )
        if not math.isfinite(metrics["objective"]):
            raise FittingError(
                f"the objective is {metrics['objective']} at step {step}: lower learning_rate "
                f"(now {config.learning_rate}), use form 'bounded', or check the weights for NaN"
            )
        if self._evaluated(step):
            metrics |= self._selection.look(self._run.domain_PH, step)
        return metrics

    def _evaluated(self, step: int) -> bool:
        return step % self._config.evaluate_every == 0 or step == self._total

    def _keep(self, step: int) -> None:
        if self._file is None or step % self._config.checkpoint_every or not self._world.first:
            return
        run, selection = self._run.state(), self._selection.state()
        self._file.write({"run": run, "selection": selection, "rows": self._rows})

    def _resume(self) -> None:
        state = self._world.from_first(lambda: self._file and self._file.read())
        if not state:
            return
        self._run.restore(state["run"])
        self._selection.restore(state["selection"])
        self._rows = state["rows"]
        for step, row in enumerate(self._rows, 1):
            if self._world.first:
                self._log(row, step)

    def _fitted(self) -> Fitted:
        best = self._selection.best
        assert best is not None  # the last step is always an evaluation
        return Fitted(
            domain_PH=best.domain_PH,
            step=best.step,
            held_out_loss=best.measured.get("held_out"),
            diagnostics=self._rows[best.step - 1],
            curve=tuple(
                {"step": step, **row}
                for step, row in enumerate(self._rows, 1)
                if self._evaluated(step)
            ),
        )


def check_frozen(model: Any) -> None:
    """Refuse a model that would collect weight gradients, or drop out.

    Raises:
        FittingError: a weight requires a gradient, or the model is in training mode.
    """
    named = model.named_parameters()
    if trainable := next((name for name, weight in named if weight.requires_grad), None):
        raise FittingError(
            f"the backbone's weight {trainable!r} requires a gradient: call requires_grad_(False)"
        )
    if model.training:
        raise FittingError("the backbone is in training mode: call eval()")


def check_texts(model: Any, texts: Sequence[Text], config: FitConfig) -> None:
    """Refuse texts that cannot be fitted.

    Raises:
        FittingError: fewer than two, an empty one, or one longer than the model's context.
    """
    if len(texts) < 2:
        raise FittingError(f"a fit needs at least 2 references, got {len(texts)}: add examples")
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    room = (context or math.inf) - config.domain_tokens - config.sample_tokens
    for index, text in enumerate(texts):
        if len(text) <= text.given:
            raise FittingError(f"reference {index} is empty: drop it")
        if len(text) > room:
            raise FittingError(
                f"reference {index} has {len(text)} tokens and the soft tokens leave {room}: "
                "shorten or drop it, or lower domain_tokens and sample_tokens"
            )


def check_parts(count: int, world: World) -> None:
    """Refuse more processes than can have two references each.

    Raises:
        FittingError: there are fewer than two references to train on for each process.
    """
    if count < 2 * world.size:
        raise FittingError(
            f"{count} references to train on are too few for {world.size} processes, which need "
            f"two each: start at most {count // 2}, or hold out fewer"
        )


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices to train on and those to hold out, each in their own order."""
    held_out = round(count * share) if count >= HOLD_OUT_FROM else 0
    generator = torch.Generator().manual_seed(derive_seed(seed, "hold out"))
    order = torch.randperm(count, generator=generator).tolist()
    held_out = min(held_out, count - 2)
    return sorted(order[held_out:]), sorted(order[:held_out])
