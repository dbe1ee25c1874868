"""Pairs as they are trained on: the evaluation's own prompt, then the response and its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.stages.errors import StageError
from benchmarks.suites.protocol import without_system
from domino.engines.base import EngineError
from domino.engines.chat import render_chat, render_finished, turn_end_token
from domino.records import Record, Synthetic

if TYPE_CHECKING:
    from benchmarks.suites.protocol import Protocol
    from domino.engines.base import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPair(Record):
    """A pair as text: what the model is asked with, prefill included, and what it is to write.

    `special_tokens` is that of the request (`domino.engines.base.Request`).
    """

    id: str
    prompt: str
    completion: str
    special_tokens: bool = False


def training_pairs(
    records: Sequence[Synthetic], protocol: Protocol, tokenizer: Any
) -> list[TrainingPair]:
    """Return the pairs behind exactly the prompts that the evaluation asks with.

    Raises:
        StageError: a record has no response.
        EngineError: the tokenizer has no chat template where turns are asked, or it refuses them.
    """
    return [_pair(record, protocol, tokenizer) for record in records]


def _pair(record: Synthetic, protocol: Protocol, tokenizer: Any) -> TrainingPair:
    if record.response is None:
        raise StageError(f"pair {record.id!r} has no response: run the respond stage before")
    prompt = "".join(protocol.prompt(partial(render_chat, tokenizer), record.instruction))
    end, completion = turn_end_token(tokenizer), ""
    if protocol.text is None:
        conversation = protocol.conversation(record.instruction, record.response)
        whole = _finished(tokenizer, conversation)
        completion = whole.removeprefix(prompt) if whole.startswith(prompt) else ""
    completion = completion or protocol.closed(record.instruction, record.response)
    return TrainingPair(
        id=record.id,
        prompt=prompt,
        completion=completion if end in completion else completion + end,
        special_tokens=protocol.special_tokens,
    )


def _finished(tokenizer: Any, turns: Sequence[Message]) -> str:
    """Render a conversation; a template without system turns gets that text in the user's."""
    try:
        return render_finished(tokenizer, turns)
    except EngineError:
        if turns[0]["role"] != "system":
            raise
        return render_finished(tokenizer, without_system(turns))


def token_ids(pair: TrainingPair, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids of a pair, and for each whether it is part of the completion.

    The prompt's ids are those that the evaluation gives the model. Both texts are tokenized
    together where that leaves them so, since some tokenizers begin every text with a space.
    """
    prompt = tokenizer(pair.prompt, add_special_tokens=pair.special_tokens)["input_ids"]
    whole = tokenizer(pair.prompt + pair.completion, add_special_tokens=pair.special_tokens)
    ids = list(whole["input_ids"])
    if ids[: len(prompt)] != prompt:
        ids = [*prompt, *tokenizer(pair.completion, add_special_tokens=False)["input_ids"]]
    return ids, [0] * len(prompt) + [1] * (len(ids) - len(prompt))
