"""Examples in the forms that people keep them in: instruction and response, out of any file.

The forms, told by the names of the columns: instruction and response; instruction, input and output
(Alpaca); prompt and completion; messages or conversations with one user turn. What else a row has
goes to `meta`. A row without a text where one is needed is left out and counted; what cannot be
meant (a number for a text, a misspelt column, several user turns) is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import closest
from benchmarks.common.words import counted
from benchmarks.suites.base import SuiteError
from benchmarks.suites.reading import require_storable
from benchmarks.suites.tables import Row, Table, WrongLines, in_order
from domino.records import Reference, stable_id

FIELDS = ("instruction", "response", "id")
"""What `fields` may name."""
MAX_CHARACTERS = 1_000_000
NO_INSTRUCTION, NO_RESPONSE = "no instruction", "no response"

_USER, _ASSISTANT, _SYSTEM = "user", "assistant", "system"
_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("user", "human", "prompter"), _USER),
        **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), _ASSISTANT),
        **dict.fromkeys(("system", "developer"), _SYSTEM),
    }
)


@dataclass(frozen=True, slots=True)
class Form:
    """One form: its columns, those by which it is told, and what reads a row's two texts."""

    name: str
    columns: tuple[str, ...]
    told_by: tuple[str, ...]
    read: Callable[[Row], tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """The examples of a file.

    Attributes:
        source: where they come from.
        form: in words, the form of its rows.
        found: the examples, in the file's order.
        places: where each of them is.
        left_out: rows without a text that is needed, by reason.
        wrong: one line for each row that cannot be meant.
        digest: SHA-256 of the bytes.
    """

    source: str
    form: str
    found: tuple[Reference, ...]
    places: tuple[str, ...]
    left_out: Mapping[str, int]
    wrong: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class _Turns:
    """The turns of a conversation, by role."""

    users: list[str]
    assistants: list[str]
    system: str


class _SeveralTurns(SuiteError):
    """A conversation with more than one user turn."""


def is_example(row: Mapping[str, Any]) -> bool:
    """Whether a row's columns are those of an example, and not of a problem with a prompt."""
    form = _form(list(row))
    return form is not None and (form.told_by != ("prompt",) or "completion" in row)


def read_examples(
    table: Table,
    *,
    responses: bool = False,
    strict: bool = False,
    max_characters: int = MAX_CHARACTERS,
) -> Examples:
    """Return a table's examples.

    Args:
        table: the rows.
        responses: whether every example needs a response.
        strict: whether a row without a text, or one that repeats another, is wrong.
        max_characters: the longest text that is taken.

    Raises:
        SuiteError: the rows have none of the forms.
    """
    columns = list(dict.fromkeys(name for row in table.rows for name in row.values))
    form = _form(columns)
    if form is None and table.rows:
        raise SuiteError(
            f"{table.source}: columns {', '.join(columns[:12])} are those of no known form: there "
            "are instruction and response; instruction, input and output; prompt and completion; "
            "messages; conversations: name others with fields, as instruction=question,"
            "response=answer"
        )
    wrong = WrongLines(list(table.wrong))
    reader = _Reader(form or FORMS[0], responses, strict, max_characters)
    found = [wrong.attempt(lambda row=row: reader.example(row)) for row in table.rows]  # type: ignore[misc]
    pairs = [(row, made) for row, made in zip(table.rows, found, strict=True) if made is not None]
    wrong.lines += [*reader.several_turns(len(table.rows)), *_repeated(pairs, strict=strict)]
    return Examples(
        source=table.source,
        form=form.name if form else "",
        found=tuple(made for _, made in pairs),
        left_out=dict(reader.left_out),
        places=tuple(row.where for row, _ in pairs),
        wrong=in_order(wrong.lines),
        digest=table.digest,
    )


class _Reader:
    """Reads the rows of one form, and counts those that are left out."""

    def __init__(self, form: Form, responses: bool, strict: bool, max_characters: int) -> None:
        self._form = form
        self._responses = responses
        self._strict = strict
        self._max_characters = max_characters
        self._several: list[str] = []
        self.left_out: Counter[str] = Counter()

    def example(self, row: Row) -> Reference | None:
        """Return the example, None where the row is left out.

        Raises:
            SuiteError: the row is wrong.
        """
        _refuse_misspelt(row, self._form)
        try:
            read = self._form.read(row)
        except _SeveralTurns as error:
            self._several.append(str(error))
            return None
        instruction = self._text(row, "instruction", read[0])
        response = self._text(row, "response", read[1])
        if not instruction or (self._responses and not response):
            reason = NO_RESPONSE if instruction else NO_INSTRUCTION
            if self._strict:
                field = reason.removeprefix("no ")
                raise SuiteError(f"{row.where}: no field {field!r}: every row needs one")
            self.left_out[reason] += 1
            return None
        known = {*self._form.columns, "id"}
        others = {name: value for name, value in row.values.items() if name not in known}
        return Reference(
            id=_id(row, instruction, response),
            instruction=instruction,
            response=response or None,
            meta={name: _as_text(value) for name, value in others.items()},
        )

    def several_turns(self, total: int) -> list[str]:
        """Return the line that counts the rows with several user turns, where there are some."""
        count = len(self._several)
        return [
            f"{first}; {counted(count, 'row')} of {total} with more than one: give conversations "
            "of one user turn and the answer to it"
            for first in self._several[:1]
        ]

    def _text(self, row: Row, name: str, value: Any) -> str:
        """Return a text, "" where there is none.

        Raises:
            SuiteError: it is not text, is too long, cannot be stored, or blank where that is wrong.
        """
        if value is None:
            return ""
        if not isinstance(value, str):
            raise SuiteError(f"{row.where}: {name} is a {type(value).__name__}: give a text")
        require_storable(row.where, name, value)
        if len(value) > self._max_characters:
            raise SuiteError(
                f"{row.where}: {name} has {len(value)} characters, at most "
                f"{self._max_characters} are taken"
            )
        if not value.strip() and self._strict:
            raise SuiteError(f"{row.where}: {name} is empty: fill it in, or remove the row")
        return value if value.strip() else ""


def _id(row: Row, instruction: str, response: str) -> str:
    key = row.values.get("id", stable_id("reference", instruction, response))
    if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).strip():
        raise SuiteError(f"{row.where}: id is {key!r:.80}: give a text or a number")
    require_storable(row.where, "id", str(key))
    return str(key)


def _repeated(pairs: Sequence[tuple[Row, Reference]], *, strict: bool) -> list[str]:
    """Name the rows whose id, or where that counts whose text, an earlier row has."""
    seen: dict[tuple[str | None, ...], str] = {}
    wrong = []
    for row, made in pairs:
        keys: list[tuple[str | None, ...]] = [(made.id,)] if strict or "id" in row.values else []
        keys += [(made.instruction, made.response)] if strict else []
        firsts = [seen.setdefault(key, row.where) for key in keys]
        earlier = next((first for first in firsts if first != row.where), None)
        if earlier is not None:
            line = earlier.rpartition(", ")[2]
            wrong.append(f"{row.where}: repeats {line}: remove one of them, or give another id")
    return wrong


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _refuse_misspelt(row: Row, form: Form) -> None:
    """Refuse a column that looks like one of the form's which the row does not have."""
    missing = [name for name in form.columns if name not in row.values]
    for name in row.values:
        if name not in form.columns and name != "id" and (like := closest(name, missing)):
            raise SuiteError(
                f"{row.where}: unknown field {name!r}{like}: columns of this form are "
                f"{', '.join(form.columns)}"
            )


def _form(columns: Sequence[str]) -> Form | None:
    return next((form for form in FORMS if set(form.told_by) <= set(columns)), None)


def _plain(first: str, second: str) -> Callable[[Row], tuple[Any, Any]]:
    return lambda row: (row.values.get(first), row.values.get(second))


def _alpaca(row: Row) -> tuple[Any, Any]:
    instruction, given = row.values.get("instruction"), row.values.get("input")
    if given is not None and not isinstance(given, str):
        raise SuiteError(f"{row.where}: input is a {type(given).__name__}: give a text")
    if isinstance(instruction, str) and given and given.strip():
        instruction = f"{instruction}\n\n{given}"
    return instruction, row.values.get("output")


def _prompted(row: Row) -> tuple[Any, Any]:
    """Read prompt and completion, each a text or a list of messages."""
    sides = row.values.get("prompt"), row.values.get("completion")
    if isinstance(sides[0], list) and isinstance(sides[1], list | None):
        return _conversation(row.where, [*sides[0], *(sides[1] or [])])
    return sides


def _messages(name: str) -> Callable[[Row], tuple[Any, Any]]:
    return lambda row: _conversation(row.where, row.values.get(name))


def _conversation(where: str, turns: Any) -> tuple[str | None, str | None]:
    if turns is None:
        return None, None
    if not isinstance(turns, list):
        raise SuiteError(f"{where}: the conversation is a {type(turns).__name__}, not a list")
    said = [_turn(f"{where}, turn {number}", turn) for number, turn in enumerate(turns, start=1)]
    users = [text for role, text in said if role == _USER]
    answers = [text for role, text in said if role == _ASSISTANT]
    if len(users) > 1:
        raise _SeveralTurns(f"{where}: {len(users)} user turns")
    if len(answers) > 1:
        raise SuiteError(f"{where}: {len(answers)} assistant turns behind one user turn")
    system = [text for role, text in said if role == _SYSTEM and text.strip()]
    instruction = "\n\n".join([*system, *users]) if users else None
    return instruction, answers[0] if answers else None


def _turn(where: str, turn: Any) -> tuple[str, str]:
    if not isinstance(turn, dict):
        raise SuiteError(f"{where}: a {type(turn).__name__}, not an object with role and content")
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value"))
    if not isinstance(role, str) or role.lower() not in _ROLES:
        raise SuiteError(f"{where}: role is {role!r:.60}: give user, assistant or system")
    if isinstance(content, list) and all(_is_text_part(part) for part in content):
        content = "".join(part["text"] for part in content)
    if content is not None and not isinstance(content, str):
        raise SuiteError(f"{where}: content is a {type(content).__name__}: give a text")
    return _ROLES[role.lower()], content or ""


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


_PAIR = ("instruction", "response")
FORMS: tuple[Form, ...] = (
    Form("messages", ("messages",), ("messages",), _messages("messages")),
    Form("conversations", ("conversations",), ("conversations",), _messages("conversations")),
    Form("Alpaca", ("instruction", "input", "output"), ("instruction", "output"), _alpaca),
    Form("instruction and response", _PAIR, ("instruction",), _plain(*_PAIR)),
    Form("prompt and completion", ("prompt", "completion"), ("prompt",), _prompted),
)
