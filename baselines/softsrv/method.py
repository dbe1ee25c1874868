"""SoftSRV behind the Synthesizer interface.

Shapes: N references, P prompt tokens, H hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors.torch import load_file, save_file

from baselines.base import Baseline, Draft
from baselines.softsrv.config import SoftSRVConfig
from baselines.softsrv.training import contexts, train
from domino.backbone import Backbone, load_backbone
from domino.embedding import check_embeddings
from domino.engines.base import Request, SoftPrompt, require_embeddings
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling, derive_seed
from domino.shared_prefix import Text
from domino.synthesizer import FitContext, RequestProfile
from domino.turn import Turn

PROMPTS_FILE = "prompts.safetensors"
_KEY = "prompts"


class SoftSRV(Baseline[SoftSRVConfig]):
    """Contextual soft prompts (arXiv 2410.16534), the closest published rival of DOMINO.

    A prompt P(z) is trained so that the frozen backbone reconstructs a reference behind the
    prompt of that reference's embedding z. New data is sampled behind the prompts of all
    references in turn. DOMINO keeps what references share and throws the rest away; SoftSRV
    keeps what distinguishes them, and varies its samples by it.

    Departures from the authors' program, which is not public, and why:

    - The backbone's own mean last hidden state is the embedding, instead of a second model's: no
      other model is at hand, and every method learns from the same backbone. Embeddings are
      standardised over the references, because mean states have a large part in common.
    - Prompts start from rows of the vocabulary, and the network's last layer from 0, so that
      "mlp" starts as prompt tuning does: from N(0, 1) a fit of this length does not come near.
    - One hidden layer serves all P tokens; the sizes are for dozens of references.
    - Steps, batch, decay, clipping and the held-out choice of the step are DOMINO's, temperature
      and limits the harness's: the two rows differ in the method alone.
    - An answer of its own stands behind the prompt of a reference drawn for the instruction.
    """

    name: ClassVar[str] = "softsrv"
    config_class: ClassVar[type[SoftSRVConfig]] = SoftSRVConfig
    profile: ClassVar[RequestProfile] = RequestProfile(fit="contextual prompts")
    _prompts: tuple[torch.Tensor, ...] = ()
    _outcome: Mapping[str, float | None]

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer each instruction behind the prompt of a reference drawn for it."""
        self._require_fit()
        requests = []
        for instruction in instructions:
            drawn = self._random(sampling, "respond", instruction).choice(self._prompts)
            text = self.engine.render([{"role": "user", "content": instruction}])
            seed = derive_seed(sampling.seed, self.name, "respond", instruction)
            requests.append(Request(prompt=SoftPrompt(embeds_PH=drawn, text=text), seed=seed))
        return [completion.text for completion in self.engine.generate(requests, sampling)]

    def save(self, directory: Path) -> None:
        """Write the references' prompts next to `method.json`."""
        super().save(directory)
        save_file({_KEY: torch.stack(self._prompts)}, str(directory / PROMPTS_FILE))

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read what `save` wrote.

        Raises:
            SynthesisError: the directory holds another method.
        """
        loaded = super().load(directory, context)
        loaded._prompts = load_file(str(directory / PROMPTS_FILE))[_KEY].unbind()
        return loaded

    def _learn(self) -> None:
        """Embed the references, train the prompt's parameters, keep every reference's prompt.

        Raises:
            FittingError: the backbone is not frozen, or the loss is not finite.
            EngineError: the backbone cannot be loaded, or has no chat template, or the engine takes
                text alone.
        """
        context = self._require_fit()[1]
        require_embeddings(context.engine, self.name)
        model, tokenizer = _backbone(context)
        check_embeddings(model)
        texts = self._texts(tokenizer, model.device)
        context_NH = contexts(model, texts)
        seed = derive_seed(context.seed, self.name)
        trained = train(model, texts, context_NH, self.config, seed, context.log)
        with torch.no_grad():
            prompt_NPH = trained.prompt(context_NH).float().cpu()
        used_NPH = prompt_NPH[:1] if self.config.form == "none" else prompt_NPH
        self._prompts = used_NPH.unbind()
        self._outcome = {"step": trained.step, "held_out_loss": trained.held_out_loss}

    def _texts(self, tokenizer: Any, device: torch.device) -> list[Text]:
        """The references behind the lead of a user turn, which is given and not predicted."""
        turn = Turn.of(self.engine)
        given = tokenizer(turn.lead, add_special_tokens=False)["input_ids"]
        texts = []
        for reference in self.domain.references:
            rest = turn.after_lead(reference, self.domain.template)
            ids = [*given, *tokenizer(rest, add_special_tokens=False)["input_ids"]]
            texts.append(Text(torch.tensor(ids, device=device), given=len(given)))
        return texts

    def _memory(self) -> dict[str, Any]:
        return dict(self._outcome)

    def _remember(self, memory: Mapping[str, Any]) -> None:
        self._outcome = memory

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        turn = Turn.of(self.engine)
        last = first + count
        for start in range(first, last, self.config.requests_per_call):
            numbers = range(start, min(start + self.config.requests_per_call, last))
            requests = [self._request(number, turn, sampling) for number in numbers]
            completions = self._generate(requests, sampling)
            for number, completion in zip(numbers, completions, strict=True):
                self.counts.count(None)
                yield Draft(
                    instruction=turn.instruction(completion.text),
                    parents=self._parents(number),
                    tokens=completion.tokens,
                )

    def _request(self, number: int, turn: Turn, sampling: Sampling) -> Request:
        embeds_PH = self._prompts[number % len(self._prompts)]
        seed = derive_seed(sampling.seed, self.name, number)
        return Request(prompt=SoftPrompt(embeds_PH=embeds_PH, text=turn.lead), seed=seed)

    def _parents(self, number: int) -> tuple[str, ...]:
        if self.config.form == "none":
            return ()
        return (self.domain.references[number % len(self._prompts)].id,)


def _backbone(context: FitContext) -> Backbone:
    """The engine's own model where it has one in this process, else a second copy."""
    if isinstance(context.engine, TransformersEngine):
        return context.engine.model, context.engine.tokenizer
    return load_backbone(context.model, attention=context.attention)
