"""The chat template of a run: the model's own, a plain one for base models, or the user's."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.common.fields import ConfigError, closest
from domino.engines.base import EngineError
from domino.engines.chat import SENTINEL, ChatFormat, reads, render_chat
from domino.text import load_json


class ChatSettings(Protocol):
    """What of a run says how turns become text."""

    @property
    def chat_template(self) -> Path | None:
        """A file in the place of the model's own template."""

    @property
    def template_options(self) -> Mapping[str, Any]:
        """Values that the template reads."""

    @property
    def thought_end(self) -> str | None:
        """What ends a thought."""


def chat_format(config: ChatSettings) -> ChatFormat:
    """Return how a run's turns become text.

    Raises:
        ConfigError: the template's file cannot be read.
    """
    template = None
    if (file := config.chat_template) is not None:
        try:
            template = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError(
                f"chat_template {file}: {reason}: give a file with a Jinja template"
            ) from error
    return ChatFormat(
        template=template, options=config.template_options, thought_end=config.thought_end
    )


def own_template(model: Path) -> str | None:
    """Return the chat template in a model's directory, read without transformers; None for none."""
    file = model / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        try:
            values = load_json((model / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found = values.get("chat_template") if isinstance(values, dict) else None
        if isinstance(found, list):  # several, by name
            named = {str(one.get("name")): one.get("template") for one in found}
            found = named.get("default")
        if found:
            return str(found)
    return None


def describe_chat(config: ChatSettings, model: Path) -> str:
    """Return in words how turns become text, "" where all is left to the model."""
    words = []
    if config.chat_template is not None:
        words.append(f"chat template {config.chat_template.name}")
    elif own_template(model) is None:
        words.append("a plain template (the backbone has none)")
    words += [f"{name} {value}".lower() for name, value in config.template_options.items()]
    if config.thought_end:
        words.append(f"thoughts end with {config.thought_end}")
    return ", ".join(words)


def check_chat(config: ChatSettings, model: Path) -> None:
    """Refuse a template that does not render, and values that none reads, before any work.

    Raises:
        ConfigError: as said.
    """
    if config.chat_template is None and not config.template_options:
        return
    chat = chat_format(config)
    text = chat.template if chat.template is not None else own_template(model)
    _check_options(config.template_options, text or "")
    if config.chat_template is not None:
        _check_rendering(config.chat_template, model, chat)


def _check_options(options: Mapping[str, Any], template: str) -> None:
    from transformers import PreTrainedTokenizerBase

    taken = inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters
    for name in options:
        if name in taken or name in ("messages", "strftime_now"):
            raise ConfigError(f"template_options.{name} is set by the harness: leave it out")
        if not reads(template, name):
            known = [other for other in _names(template) if reads(template, other)]
            raise ConfigError(
                f"template_options.{name}: the chat template reads no such value"
                f"{closest(name, known)}: leave it out"
            )


def _names(template: str) -> list[str]:
    """Return the values that a template reads from outside; none where it is not Jinja."""
    from jinja2 import Environment, TemplateError, meta

    environment = Environment(extensions=["jinja2.ext.loopcontrols"])
    try:
        return sorted(meta.find_undeclared_variables(environment.parse(template)))
    except TemplateError:
        return []


def _check_rendering(file: Path, model: Path, chat: ChatFormat) -> None:
    """Render a turn, an answer and an open turn, and see that what was said is there."""
    from domino.backbone import load_shape

    _, tokenizer = load_shape(model, chat)
    turns = [{"role": "user", "content": SENTINEL}]
    answered = [*turns, {"role": "assistant", "content": SENTINEL}]
    try:
        shown = [render_chat(tokenizer, turns).count(SENTINEL)]
        shown.append(render_chat(tokenizer, answered).count(SENTINEL))
    except EngineError as error:
        raise ConfigError(f"chat_template {file}: {error.__cause__ or error}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise ConfigError(f"chat_template {file} does not render: {error}") from error
    if shown != [1, 2]:
        raise ConfigError(
            f"chat_template {file} does not write what a turn says: it is given `messages`, each "
            "with `role` and `content`, and `add_generation_prompt`"
        )
