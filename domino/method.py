"""DOMINO behind the Synthesizer interface: fit soft tokens on references, sample behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from domino.backbone import Backbone, check_model_directory, load_backbone
from domino.diagnostics import Guard
from domino.embedding import check_embeddings
from domino.engines.base import (
    Completion,
    Engine,
    Request,
    SoftPrompt,
    require_embeddings,
)
from domino.engines.chat import ChatEngine
from domino.engines.transformers_engine import TransformersEngine
from domino.fit_card import FitCard, digests
from domino.fit_config import FitConfig
from domino.fitting import Fitted, fit_tokens
from domino.records import Provenance, RecordError, Sampling, Synthetic, derive_seed, stable_id
from domino.shared_prefix import Text
from domino.soft_tokens import load_adapter, save_adapter
from domino.synthesizer import Domain, FitContext, RequestProfile, SynthesisError, Synthesizer
from domino.turn import Turn

ADAPTER_DIRECTORY = "adapter"
CARD_FILE = "domino.json"
_FINDINGS = (
    "step", "held_out", "diagonal_loss", "off_diagonal_loss", "swap_gap", "norm_ratio",
    "nearest_cosine", "copy_rate", "distinct_rate",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class DominoConfig(FitConfig):
    """Options of DOMINO: those of the fit, and the number of requests per call of the engine.

    With `w_reconstruction` and `w_contrastive` 0 this is plain prompt tuning, without sample
    tokens and without the matrix of losses.
    """

    requests_per_call: int = 128


class DominoSynthesizer(Synthesizer):
    """Fits domain soft tokens to the references, and samples new instructions from them.

    Sample tokens absorb what is specific to one reference, and are discarded after the fit.
    """

    name: ClassVar[str] = "domino"
    config_class: ClassVar[type[DominoConfig]] = DominoConfig
    reads_description: ClassVar[bool] = False
    profile: ClassVar[RequestProfile] = RequestProfile(fit="domain tokens")

    def __init__(self, config: DominoConfig | None = None) -> None:
        self.config = self.config_class() if config is None else config
        self._context: FitContext | None = None
        self._fitted: Fitted | None = None
        self._card: FitCard | None = None

    def fit(self, domain: Domain, context: FitContext) -> None:
        """Fit the soft tokens on the domain's references.

        Raises:
            FittingError: a reference does not fit the model, or the objective is not finite.
            EngineError: the backbone cannot be loaded or does not support embeddings, or the engine
                supports only text.
        """
        require_embeddings(context.engine, self.name)
        model, tokenizer = _backbone(context)
        check_embeddings(model)
        turn = Turn.of(context.engine)
        texts = [
            _encode(tokenizer, turn.lead, turn.after_lead(reference, domain.template), model.device)
            for reference in domain.references
        ]
        fitted = fit_tokens(
            model,
            texts,
            self.config,
            derive_seed(context.seed, self.name),
            initial_ids=_ids(tokenizer, self.config.initial_text),
            pad_id=_pad_id(tokenizer),
            guard=self._guard(
                domain, context, _engine_here(context, model, tokenizer), max(map(len, texts))
            ),
            checkpoints=context.scratch,
            log=context.log,
            notify=context.notify,
        )
        self._context, self._fitted = context, fitted
        self._card = self._describe(domain, context, turn, fitted)

    def _describe(self, domain: Domain, context: FitContext, turn: Turn, fitted: Fitted) -> FitCard:
        return FitCard(
            model=context.model,
            config=dataclasses.asdict(self.config),
            seed=context.seed,
            template=domain.template,
            lead=turn.lead,
            references=digests(domain.references),
            step=fitted.step,
            held_out_loss=fitted.held_out_loss,
            diagnostics=fitted.diagnostics,
            curve=fitted.curve,
        )

    def _guard(
        self, domain: Domain, context: FitContext, engine: Engine, longest: int
    ) -> Guard | None:
        """Return what samples as synthesis will, but no longer than a copy could be."""
        if context.sampling is None:
            return None
        limit = min(context.sampling.max_new_tokens, longest)
        sampling = dataclasses.replace(context.sampling, max_new_tokens=limit)
        numbers = range(self.config.guard_samples)
        seeds = [derive_seed(sampling.seed, "guard", number) for number in numbers]

        def draw(domain_PH: torch.Tensor) -> list[str]:
            turn = Turn.of(engine)
            return [turn.instruction(c.text) for c in _draw(engine, domain_PH, seeds, sampling)]

        references = tuple(reference.instruction for reference in domain.references)
        return Guard(draw=draw, references=references)

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Sample instructions behind the domain tokens; each depends on its own number alone.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context, fitted = self._require_fit()
        turn = Turn.of(context.engine)
        last = first + count
        for start in range(first, last, self.config.requests_per_call):
            numbers = range(start, min(start + self.config.requests_per_call, last))
            seeds = [derive_seed(sampling.seed, "synthesize", number) for number in numbers]
            completions = _draw(context.engine, fitted.domain_PH, seeds, sampling)
            for number, completion in zip(numbers, completions, strict=True):
                yield Synthetic(
                    id=stable_id(self.name, sampling.seed, number),
                    instruction=turn.instruction(completion.text),
                    provenance=Provenance(
                        method=self.name, seed=sampling.seed, tokens=completion.tokens
                    ),
                )

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer each instruction behind the domain tokens.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context, fitted = self._require_fit()
        requests = [
            Request(
                prompt=SoftPrompt(
                    embeds_PH=fitted.domain_PH,
                    text=context.engine.render([{"role": "user", "content": instruction}]),
                ),
                seed=derive_seed(sampling.seed, "respond", instruction),
            )
            for instruction in instructions
        ]
        return [completion.text for completion in context.engine.generate(requests, sampling)]

    def findings(self) -> Mapping[str, float]:
        """Return the diagnostics of the tokens that the fit kept, and their step."""
        _, fitted = self._require_fit()
        found = {"step": fitted.step, **fitted.diagnostics}
        return {name: found[name] for name in _FINDINGS if name in found}

    def save(self, directory: Path) -> None:
        """Write the domain tokens as a PEFT adapter with its card, and how they were fitted.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context, fitted = self._require_fit()
        adapter = directory / ADAPTER_DIRECTORY
        card = self._card
        assert card is not None  # made together with the tokens
        save_adapter(adapter, fitted.domain_PH, _model_config(context), card.model)
        (adapter / "README.md").write_text(card.markdown(), encoding="utf-8")
        (directory / CARD_FILE).write_text(card.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote.

        Raises:
            SynthesisError: the directory is not what `save` wrote.
            SoftTokensError: its tokens do not fit the backbone.
        """
        try:
            card = FitCard.from_json((directory / CARD_FILE).read_text(encoding="utf-8"))
            loaded = cls(cls.config_class(**card.config))
        except (OSError, ValueError, TypeError, RecordError) as error:
            raise SynthesisError(
                f"{directory} does not hold a fitted {cls.name} ({error}): fit again"
            ) from error
        shape = _model_config(context)
        loaded._context, loaded._card = context, card
        loaded._fitted = Fitted(
            domain_PH=load_adapter(directory / ADAPTER_DIRECTORY, shape, context.model),
            step=card.step,
            held_out_loss=card.held_out_loss,
            diagnostics=card.diagnostics,
            curve=card.curve,
        )
        return loaded

    def _require_fit(self) -> tuple[FitContext, Fitted]:
        if self._context is None or self._fitted is None:
            raise SynthesisError(f"{self.name} has no soft tokens yet: call fit or load first")
        return self._context, self._fitted


def _backbone(context: FitContext) -> Backbone:
    """The engine's own model where it has one in this process, else a second copy."""
    if isinstance(context.engine, TransformersEngine):
        return context.engine.model, context.engine.tokenizer
    return load_backbone(context.model, attention=context.attention)


def _engine_here(context: FitContext, model: Any, tokenizer: Any) -> Engine:
    """An engine over the model that is being fitted behind: another one would need its memory."""
    if isinstance(context.engine, TransformersEngine):
        return context.engine
    own = context.engine.tokenizer if isinstance(context.engine, ChatEngine) else tokenizer
    return TransformersEngine(model, own)


def _model_config(context: FitContext) -> Any:
    from transformers import AutoConfig

    if isinstance(context.engine, TransformersEngine):
        return context.engine.model.config.get_text_config()
    check_model_directory(context.model)
    return AutoConfig.from_pretrained(context.model).get_text_config()


def _encode(tokenizer: Any, lead: str, rest: str, device: torch.device) -> Text:
    """Tokenize lead and rest apart, as they are at synthesis; the lead is given, not predicted."""
    given = _ids(tokenizer, lead)
    ids = [*given, *_ids(tokenizer, rest)]
    return Text(torch.tensor(ids, dtype=torch.long, device=device), given=len(given))


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _pad_id(tokenizer: Any) -> int:
    """The token that fills short texts: the tokenizer's own, else the end token."""
    named = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id or 0) if named is None else int(named)


def _draw(
    engine: Engine, domain_PH: torch.Tensor, seeds: Sequence[int], sampling: Sampling
) -> list[Completion]:
    """Sample behind domain tokens and the lead, one completion for each seed."""
    prompt = SoftPrompt(embeds_PH=domain_PH, text=Turn.of(engine).lead)
    requests = [Request(prompt=prompt, seed=seed) for seed in seeds]
    return engine.generate(requests, sampling)
