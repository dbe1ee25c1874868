"""Chat templates: rendering of turns, open user turns, and the token that ends a turn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from domino.engines.base import Completion, Engine, EngineError, Message, Request

if TYPE_CHECKING:
    from domino.records import Sampling

SENTINEL = "\u2042sentinel\u2042"  # no template and no user text contains it

TODAY = date(2024, 7, 26)
"""The date for templates that write today's: the date that Llama's template uses without a clock.

As a constant of this module it is part of the cache key of every stage that renders a template.
"""


PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}### Instruction:\n{{ message.content }}\n\n"
    "{% elif message.role == 'assistant' %}"
    "### Response:\n{{ message.content }}{{ eos_token }}\n\n"
    "{% else %}{{ message.content }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
"""The chat template for base models, whose tokenizers have none."""

PLAIN_STOP = "\n### Instruction:"
"""A base model that continues after its answer starts the next turn of the plain template so."""

_THINKING = ("enable_thinking", "thinking")
"""Names of the template variable that switches thinking on; off by default."""

_THOUGHT_END = "</think>"
_STATE = "domino_chat"  # the attribute of a prepared tokenizer that has its format


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatFormat:
    """How turns become text, and how thoughts are removed.

    Attributes:
        template: Jinja text that replaces the tokenizer's chat template; None keeps it.
        options: variables of the template, such as enable_thinking.
        thought_end: text that ends a thought before an answer; None is </think> if the template
            has it; "" removes no thoughts.
    """

    template: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    thought_end: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """What a tokenizer has been prepared with: `plain` is the template of base models."""

    plain: bool
    thought_end: str


def prepare_tokenizer(tokenizer: Any, chat: ChatFormat | None = None) -> Any:
    """Set a tokenizer's chat template, its variables and a fixed date; return the tokenizer.

    Variables override the functions that transformers provides to a template; of these only
    `strftime_now` reads the clock.
    """
    chat = ChatFormat() if chat is None else chat
    own = getattr(tokenizer, "chat_template", None)
    plain = not (own or chat.template)
    if chat.template is not None:
        tokenizer.chat_template = chat.template
    elif plain:
        tokenizer.chat_template = _first_token(tokenizer) + PLAIN_TEMPLATE
    text = str(tokenizer.chat_template)
    values = template_defaults(text) | dict(chat.options)
    apply = type(tokenizer).apply_chat_template
    tokenizer.apply_chat_template = partial(
        apply, tokenizer, **{"strftime_now": TODAY.strftime, **values}
    )
    end = chat.thought_end
    if end is None:
        end = _THOUGHT_END if _THOUGHT_END in text else ""
    setattr(tokenizer, _STATE, _Prepared(plain=plain, thought_end=end))
    return tokenizer


def template_defaults(template: str) -> dict[str, Any]:
    """Return the default variables of a template: thinking off, and a fixed date."""
    values: dict[str, Any] = {name: False for name in _THINKING if reads(template, name)}
    if reads(template, "date_string"):
        values["date_string"] = TODAY.strftime("%d %b %Y")
    return values


def reads(template: str, name: str) -> bool:
    """Whether a template's text names a value."""
    return re.search(rf"\b{re.escape(name)}\b", template) is not None


def has_turns(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template, other than the plain one that base models get."""
    prepared = getattr(tokenizer, _STATE, None)
    return bool(getattr(tokenizer, "chat_template", None)) and not (prepared and prepared.plain)


def _first_token(tokenizer: Any) -> str:
    """Return the token that the tokenizer itself puts before a text, as Jinja; "" for none."""
    if tokenizer.bos_token_id is None:
        return ""
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return "{{ bos_token }}" if begins else ""


@dataclass(frozen=True, slots=True)
class Thoughts:
    """Separates thoughts from answers: a thought is between a tag and its closing tag.

    Attributes:
        end: what ends a thought.
    """

    end: str

    @property
    def start(self) -> str:
        """What begins a thought, "" where its end has no slash."""
        return self.end.replace("/", "", 1) if "/" in self.end else ""

    def split(self, prompt: str, completion: Completion) -> Completion:
        """Return the completion with only its answer as text; empty if a thought never ended.

        Args:
            prompt: the text that the completion follows; some templates begin the thought there.
            completion: as it was generated.
        """
        thought, ended, answer = completion.text.partition(self.end)
        if ended:
            return replace(completion, text=answer.lstrip())
        opened = self.start and (
            prompt.rstrip().endswith(self.start) or thought.lstrip().startswith(self.start)
        )
        if opened or (not self.start and completion.truncated):
            return replace(completion, text="", unfinished_thought=True)
        return completion


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
            "the tokenizer has no end token (eos_token), and its chat template does not end turns: "
            "set eos_token in tokenizer_config.json, otherwise generations never stop"
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
            "remove the system message, or use another backbone"
        ) from error
    return str(text)


class ChatEngine(Engine):
    """An engine whose prompts and counts of tokens are those of a tokenizer."""

    tokenizer: Any

    @property
    def has_turns(self) -> bool:
        """Whether the tokenizer has a chat template."""
        return has_turns(self.tokenizer)

    @cached_property
    def thoughts(self) -> Thoughts | None:
        """How thoughts are separated from answers; None where the model writes none."""
        prepared = getattr(self.tokenizer, _STATE, None)
        return Thoughts(prepared.thought_end) if prepared and prepared.thought_end else None

    def until_next_turn(self, sampling: Sampling, requests: Sequence[Request]) -> Sampling:
        """Return the sampling; a base model asked in plain turns stops before the next one too."""
        asked = any(PLAIN_STOP.strip() in request.text for request in requests)
        if self.has_turns or not asked or PLAIN_STOP in sampling.stop:
            return sampling
        return replace(sampling, stop=(*sampling.stop, PLAIN_STOP))

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
