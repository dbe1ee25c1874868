"""Chat templates as text: what they render, where a user turn opens, which token ends a turn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property, partial
from typing import Any

from domino.engines.base import Engine, EngineError, Message

SENTINEL = "\u2042sentinel\u2042"  # no template and no user text contains it

TODAY = date(2024, 7, 26)
"""The date for templates that write today's: what Llama's own write where there is no clock.

As a constant of this module it is part of the cache key of every stage that renders a template.
"""


def fix_date(tokenizer: Any) -> Any:
    """Let a tokenizer's chat template write the same date on every day; return the tokenizer.

    A template's arguments go before the functions that transformers offers it, of which
    `strftime_now` is the only one that reads the clock.
    """
    if getattr(tokenizer, "chat_template", None):
        apply = type(tokenizer).apply_chat_template
        tokenizer.apply_chat_template = partial(apply, tokenizer, strftime_now=TODAY.strftime)
    return tokenizer


def render_chat(
    tokenizer: Any,
    messages: Sequence[Message],
    *,
    open_user_turn: bool = False,
    prefill: str = "",
) -> str:
    """Render the messages, ready for the assistant's turn, or inside a turn that has begun.

    Raises:
        EngineError: the tokenizer has no chat template, or the template refuses the messages.
    """
    if not open_user_turn and not prefill:
        return _apply(tokenizer, messages, add_generation_prompt=True)
    role, begun = ("user", "") if open_user_turn else ("assistant", prefill)
    opened = [*messages, {"role": role, "content": begun + SENTINEL}]
    return _apply(tokenizer, opened, add_generation_prompt=False).partition(SENTINEL)[0]


def has_turns(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


def render_finished(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Render messages of which the last is the assistant's, with what ends it.

    Raises:
        EngineError: the tokenizer has no chat template, or the template refuses the messages.
    """
    return _apply(tokenizer, messages, add_generation_prompt=False)


def turn_end_token(tokenizer: Any) -> str:
    """Return the special token that ends the assistant's turn: the template's, or the tokenizer's.

    Raises:
        EngineError: neither names one.
    """
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SENTINEL}]
    if getattr(tokenizer, "chat_template", None):
        tail = _apply(tokenizer, messages, add_generation_prompt=False).partition(SENTINEL)[2]
        ids = tokenizer(tail.lstrip(), add_special_tokens=False)["input_ids"]
        if ids and ids[0] in tokenizer.added_tokens_decoder:
            return str(tokenizer.convert_ids_to_tokens(ids[0]))
    if tokenizer.eos_token is None:
        raise EngineError(
            "the tokenizer has no end token (eos_token) and its chat template ends no turn: "
            "set eos_token in tokenizer_config.json, or generations never stop"
        )
    return str(tokenizer.eos_token)


def end_ids(tokenizer: Any, named: int | Sequence[int] | None) -> frozenset[int]:
    """Return the ids of all tokens that end a completion.

    Args:
        tokenizer: its own end token, and the one that ends a turn, are among them.
        named: those that the model's generation config names, if any.

    Raises:
        EngineError: nothing names the token that ends a turn.
    """
    ids = {named} if isinstance(named, int) else set(named or ())
    ids.add(tokenizer.convert_tokens_to_ids(turn_end_token(tokenizer)))
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return frozenset(ids)


def _apply(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise EngineError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no chat template: use an "
            "instruction-tuned backbone, or add chat_template.jinja to its directory"
        )
    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            strftime_now=TODAY.strftime,
        )
    except TemplateError as error:
        roles = [message["role"] for message in messages]
        raise EngineError(
            f"the chat template refuses the roles {roles}: {error}; "
            "leave out the system message, or use another backbone"
        ) from error
    return str(text)


class ChatEngine(Engine):
    """An engine whose prompts and counts of tokens are those of a tokenizer."""

    tokenizer: Any

    @property
    def has_turns(self) -> bool:
        """Whether the tokenizer has a chat template."""
        return has_turns(self.tokenizer)

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Return the chat template's text; see `Engine.render`."""
        return render_chat(self.tokenizer, messages, open_user_turn=open_user_turn, prefill=prefill)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text, special tokens as written in it."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def end_of_turn(self) -> str:
        """The text of the token that ends a turn."""
        return turn_end_token(self.tokenizer)
