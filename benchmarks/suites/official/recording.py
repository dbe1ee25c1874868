"""Asks the official tools what they would do, without a model: they are given stand-ins."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

from domino.engines.base import Message


@contextlib.contextmanager
def replaced(module: Any, **values: Any) -> Iterator[None]:
    """Give a module other values for some of its names; what it prints meanwhile goes nowhere."""
    kept = {name: getattr(module, name) for name in values}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for name, value in values.items():
                setattr(module, name, value)
            yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


class Loads:
    """Stands for a class of transformers whose `from_pretrained` returns what it is given."""

    def __init__(self, value: Any) -> None:
        """Remember the value."""
        self._value = value

    def from_pretrained(self, *_: Any, **__: Any) -> Any:
        """Return the value."""
        return self._value


class NoModel:
    """Stands for a model that is loaded and never used."""

    def to(self, device: Any) -> NoModel:
        """Stay where it is."""
        return self


class RecordingTokenizer:
    """Stands for a tokenizer, and remembers the turns that its chat template should render."""

    eos_token = pad_token = "<eos>"
    padding_side = "left"

    def __init__(self, *, chat: bool) -> None:
        """Have a chat template, or none."""
        self.chat_template = "any" if chat else None
        self.turns: list[Message] = []

    def apply_chat_template(self, turns: list[Message], **_: Any) -> str:
        """Remember the turns, and return the text of the last one."""
        self.turns = [dict(turn) for turn in turns]
        return str(turns[-1]["content"])


def turns_of(
    make_prompt: Callable[[RecordingTokenizer], str], splitter: str
) -> tuple[tuple[Message, ...], str, str]:
    """Return the turns of a prompt, the prefill behind them, and what closes the answer.

    Args:
        make_prompt: the tool's function, given a tokenizer.
        splitter: what it puts where the answer is to stand.
    """
    tokenizer = RecordingTokenizer(chat=True)
    make_prompt(tokenizer)
    *turns, answer = tokenizer.turns
    prefill, _, closing = answer["content"].partition(splitter)
    return tuple(turns), prefill, closing
