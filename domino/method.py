"""DOMINO behind the Synthesizer interface: fit soft tokens on references, sample behind them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from domino.backbone import Backbone, check_model_directory, load_backbone
from domino.engines.base import Request, SoftPrompt
from domino.engines.chat import SENTINEL
from domino.engines.transformers_engine import TransformersEngine
from domino.fit_config import FitConfig
from domino.fitting import Fitted, fit_tokens
from domino.records import Provenance, Sampling, Synthetic, derive_seed, stable_id
from domino.shared_prefix import Text
from domino.soft_tokens import load_adapter, save_adapter
from domino.synthesizer import Domain, FitContext, SynthesisError, Synthesizer, Template

if TYPE_CHECKING:
    from domino.engines.base import Engine
    from domino.records import Reference

ADAPTER_DIRECTORY = "adapter"
SUMMARY_FILE = "domino.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class DominoConfig(FitConfig):
    """Options of DOMINO: those of the fit, and how many requests go to the engine together.

    With `w_reconstruction` and `w_contrastive` 0 this is plain prompt tuning: no sample tokens
    are made and no matrix of losses is computed.
    """

    requests_per_call: int = 128


@dataclass(frozen=True, slots=True)
class Turn:
    """The chat template around one instruction, as text.

    Attributes:
        lead: what comes before an instruction.
        separator: what stands between an instruction and its response.
        end: the token that ends a turn.
    """

    lead: str
    separator: str
    end: str

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Ask the engine's chat template."""
        rendered = engine.render([{"role": "user", "content": SENTINEL}])
        return cls(
            lead=engine.render([], open_user_turn=True),
            separator=rendered.partition(SENTINEL)[2],
            end=engine.end_of_turn,
        )

    def after_lead(self, reference: Reference, template: Template) -> str:
        """What follows the lead: the instruction alone, or instruction and response.

        The end token is always part of it, or samples would never stop, also where a template
        ends a user turn by the next turn's marker.
        """
        if template == "pair":
            return f"{reference.instruction}{self.separator}{reference.response}{self.end}"
        closing, found, _ = self.separator.partition(self.end)
        return f"{reference.instruction}{closing if found else self.separator}{self.end}"

    def instruction(self, text: str) -> str:
        """Cut what was sampled behind the lead down to the instruction."""
        marker = self.separator.strip()
        return (text.partition(marker)[0] if marker else text).strip()


class DominoSynthesizer(Synthesizer):
    """Domain soft tokens fitted to the references; new instructions are sampled behind them.

    Sample tokens take up what is particular to one reference and are thrown away after the fit.
    """

    name: ClassVar[str] = "domino"
    config_class: ClassVar[type[DominoConfig]] = DominoConfig

    def __init__(self, config: DominoConfig | None = None) -> None:
        self.config = self.config_class() if config is None else config
        self._context: FitContext | None = None
        self._fitted: Fitted | None = None

    def fit(self, domain: Domain, context: FitContext) -> None:
        """Fit the soft tokens on the domain's references.

        Raises:
            FittingError: a reference does not fit the model, or the objective is not finite.
            EngineError: the backbone cannot be loaded, or has no chat template.
        """
        model, tokenizer = _backbone(context)
        turn = Turn.of(context.engine)
        texts = [
            _encode(tokenizer, turn.lead, turn.after_lead(reference, domain.template), model.device)
            for reference in domain.references
        ]
        self._context = context
        self._fitted = fit_tokens(
            model,
            texts,
            self.config,
            derive_seed(context.seed, self.name),
            initial_ids=_ids(tokenizer, self.config.initial_text),
            log=context.log,
        )

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Sample instructions behind the domain tokens; each depends on its own number alone.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context, fitted = self._require_fit()
        turn = Turn.of(context.engine)
        prompt = SoftPrompt(embeds_PH=fitted.domain_PH, text=turn.lead)
        last = first + count
        for start in range(first, last, self.config.requests_per_call):
            numbers = range(start, min(start + self.config.requests_per_call, last))
            requests = [
                Request(prompt=prompt, seed=derive_seed(sampling.seed, "synthesize", number))
                for number in numbers
            ]
            completions = context.engine.generate(requests, sampling)
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

    def save(self, directory: Path) -> None:
        """Write the domain tokens as a PEFT adapter, and how they were fitted.

        Raises:
            SynthesisError: the method has not been fitted.
        """
        context, fitted = self._require_fit()
        summary = {
            "config": dataclasses.asdict(self.config),
            "seed": context.seed,
            "step": fitted.step,
            "held_out_loss": fitted.held_out_loss,
        }
        directory.mkdir(parents=True, exist_ok=True)
        save_adapter(
            directory / ADAPTER_DIRECTORY, fitted.domain_PH, _model_config(context), context.model
        )
        (directory / SUMMARY_FILE).write_text(json.dumps(summary, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote.

        Raises:
            SynthesisError: the directory is not what `save` wrote.
            SoftTokensError: its tokens do not fit the backbone.
        """
        try:
            summary = json.loads((directory / SUMMARY_FILE).read_text(encoding="utf-8"))
            loaded = cls(cls.config_class(**summary["config"]))
            step, loss = summary["step"], summary["held_out_loss"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SynthesisError(
                f"{directory} does not hold a fitted {cls.name} ({error}): fit again"
            ) from error
        width = _model_config(context).hidden_size
        tokens_PH = load_adapter(directory / ADAPTER_DIRECTORY, width)
        loaded._context = context
        loaded._fitted = Fitted(domain_PH=tokens_PH, step=step, held_out_loss=loss)
        return loaded

    def _require_fit(self) -> tuple[FitContext, Fitted]:
        if self._context is None or self._fitted is None:
            raise SynthesisError(f"{self.name} has no soft tokens yet: call fit or load first")
        return self._context, self._fitted


def _backbone(context: FitContext) -> Backbone:
    """The engine's own model where it has one in this process, else a second copy."""
    if isinstance(context.engine, TransformersEngine):
        return context.engine.model, context.engine.tokenizer
    return load_backbone(context.model)


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
