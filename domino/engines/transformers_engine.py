"""The transformers engine: one frozen causal language model, continuous batching, CPU or GPU.

What prompts share is prefilled once, finished rows are refilled from the queue at once, and each
request draws from its own random numbers, so that the number of slots never changes a text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from domino.attention import attention_for_decoding
from domino.backbone import check_adapter_directory, freeze, load_backbone
from domino.engines.base import Completion, EngineError, Request
from domino.engines.batching import ContinuousBatch
from domino.engines.chat import ChatEngine, ChatFormat, end_ids
from domino.engines.decoding import StopMatcher, StopRule
from domino.engines.encoding import Results, make_jobs
from domino.engines.prefill import Prefiller
from domino.engines.slots import Rows, SingleRow, SlotRows, can_use_slots

if TYPE_CHECKING:
    from domino.engines.encoding import EncodedRequest
    from domino.records import Sampling

_LOG = logging.getLogger(__name__)


class TransformersEngine(ChatEngine):
    """Generates with a transformers causal language model.

    Args:
        model: a PreTrainedModel; it is put in eval mode and frozen.
        tokenizer: its tokenizer.
        slots: rows decoded together; memory grows with it, texts do not depend on it.
    """

    def __init__(self, model: Any, tokenizer: Any, *, slots: int = 64) -> None:
        if slots < 1:
            raise EngineError(f"slots is {slots}: give at least 1")
        self.model = freeze(model)
        self.tokenizer = tokenizer
        self._slots = slots

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        adapter: str | Path | None = None,
        slots: int = 64,
        device: str = "auto",
        dtype: str = "auto",
        attention: str = "auto",
        chat: ChatFormat | None = None,
    ) -> Self:
        """Load a model directory or hub name, with a LoRA adapter merged into it if given.

        `chat` says how turns become text where it is not left to the model.

        Raises:
            EngineError: the model or the adapter cannot be loaded, or not with this attention.
        """
        model, tokenizer = load_backbone(
            path, device=device, dtype=dtype, attention=attention, chat=chat
        )
        if adapter is not None:
            model = merge_adapter(model, adapter)
        return cls(model, tokenizer, slots=slots)

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`.

        Raises:
            EngineError: a prompt is empty, or its soft tokens do not fit the model.
        """
        sampling = self.until_next_turn(sampling, requests)
        results = Results(on_done, requests, self.thoughts)
        jobs = make_jobs(
            self.tokenizer, requests, sampling, results,
            width=self.model.get_input_embeddings().embedding_dim,
            context_tokens=self.context_tokens,
        )  # fmt: skip
        if jobs:
            with attention_for_decoding(self.model):
                self._decode(jobs, sampling, results.report)
        return results.in_order()

    @torch.inference_mode()
    def _decode(
        self,
        jobs: Sequence[EncodedRequest],
        sampling: Sampling,
        report: Callable[[int, Completion], None],
    ) -> None:
        ending = StopRule(self.end_ids, StopMatcher(self.tokenizer, sampling.stop))

        def finish(job: EncodedRequest, tokens: list[int], truncated: bool) -> None:
            report(
                job.index,
                Completion(
                    text=ending.text(self.tokenizer, tokens),
                    tokens=len(tokens),
                    prompt_tokens=len(job.prompt),
                    truncated=truncated,
                ),
            )

        slots = min(self._slots, len(jobs)) if self._uses_slots else 1
        ContinuousBatch(
            self._rows(jobs, slots), slots, jobs, sampling, ending, finish, self.model.device
        ).run()

    def _rows(self, jobs: Sequence[EncodedRequest], slots: int) -> Rows:
        if not self._uses_slots:
            return SingleRow(self.model)
        prefiller = Prefiller(self.model, [job.prompt for job in jobs], slots)
        capacity = max(len(job.prompt) + job.limit for job in jobs)
        return SlotRows(self.model, prefiller, slots, capacity)

    @cached_property
    def _uses_slots(self) -> bool:
        with torch.inference_mode():
            usable = can_use_slots(self.model)
        if not usable:
            _LOG.warning(
                "%s does not decode in key-value slots (attention %r): requests run one by one, "
                "which is slow; load the model with attention 'sdpa' if it allows that",
                type(self.model).__name__,
                self.model.config._attn_implementation,
            )
        return usable

    @cached_property
    def context_tokens(self) -> int:
        """How many tokens prompt and completion may have together."""
        config = self.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or 2**31)

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """The ids of all tokens that end a completion."""
        named = getattr(self.model.generation_config, "eos_token_id", None)
        return end_ids(self.tokenizer, named)


def merge_adapter(model: Any, adapter: str | Path) -> Any:
    """Merge a PEFT LoRA adapter into the model's weights, in place.

    Raises:
        EngineError: the directory does not contain an adapter for this model.
    """
    from peft import PeftModel

    check_adapter_directory(adapter)
    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"the adapter {str(adapter)!r} does not fit the model: {error}; "
            "use the backbone that it was trained on"
        ) from error
