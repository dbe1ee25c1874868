"""Texts from outside: made storable, and cut into the units in which texts are compared.

Words are the units where a script has spaces between them. Elsewhere (Chinese, Japanese, Thai, Lao,
Burmese, Khmer) characters are: a sentence would be a single word.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_SOUTH_EAST_ASIAN = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0edf"  # Thai, Lao
    "\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u17e0-\u17e9"  # Burmese, Khmer
)
_KANA = "\u3041-\u30fa\u30fc-\u30ff"
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_UNSPACED = _SOUTH_EAST_ASIAN + _KANA + _HAN
# Vowel signs and accents, which are parts of words and no letters to `\w`.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff"

UNIT = re.compile(rf"[{_UNSPACED}]|(?:[^\W{_UNSPACED}]|[{_MARKS}])+")
"""A word, or a character of a script without spaces."""

UNIT_OR_SIGN = re.compile(rf"{UNIT.pattern}|[^\w\s]")
_CHARACTERS_PER_WORD = {_HAN: 1.6, _KANA: 2.0, _SOUTH_EAST_ASIAN: 4.0}
_SHARES = [(re.compile(f"[{script}]"), 1 / n) for script, n in _CHARACTERS_PER_WORD.items()]

# What sentences do not have: signs other than those of punctuation, punctuation inside a word
# (os.path, 1.5), quotes and minus signs at the edge of a word, names of several parts, indentation.
_CODE = re.compile(
    rf"[^\w\s{_UNSPACED}{_MARKS}.,;:!?'’。、，；：！？「」『』（）《》“”‘…—–·-]"  # noqa: RUF001 - CJK
    r"|[.,;:!?](?=\w)|(?<!\w)['’-]|['’-](?!\w)|_|[a-z][A-Z]|\n[ \t]"  # noqa: RUF001
)

Units = tuple[str, ...]

REPLACED = "\ufffd"
"""What stands in a text for a character that could not be decoded."""


def storable(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, which UTF-8 cannot hold."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def count_undecodable(texts: Iterable[str | None]) -> int:
    """Return how many texts have a character that could not be decoded."""
    return sum(REPLACED in (text or "") for text in texts)


def escaped(json_text: str) -> str:
    """Return JSON text that UTF-8 can hold and that reads as the same values."""
    return json_text.encode("utf-8", "backslashreplace").decode("utf-8")


def load_json(text: str | bytes) -> Any:
    """Return the value of JSON text, whoever has written it.

    Raises:
        ValueError: it is not JSON, or its lists are too deep or its numbers too long to be read.
    """
    try:
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except RecursionError as error:
        raise ValueError("lists or objects in one another, too deep to be read") from error


def words(text: str) -> Units:
    """Return the text's units in one case and one form of each character, without punctuation."""
    return tuple(UNIT.findall(unicodedata.normalize("NFKC", text).casefold()))


def word_share(unit: str) -> float:
    """Return how much of a word a unit is on average: 1 where it is a word."""
    if unit.isascii():
        return 1.0
    return next((share for script, share in _SHARES if script.match(unit)), 1.0)


def holds_code(text: str) -> bool:
    """Whether a text has what sentences do not have: there, every sign and case has a meaning."""
    return _CODE.search(text) is not None


def sameness(text: str) -> Units:
    """Return what is equal for texts that are the same: all of a text with code, words of prose."""
    return (text.strip(),) if holds_code(text) else words(text)


def normalised(text: str) -> str:
    """Return what texts share that differ in spaces and case alone, where those mean nothing."""
    return text.strip() if holds_code(text) else " ".join(text.casefold().split())


def details(text: str) -> Units:
    """Return the units by which similar texts are compared: with signs and case where code is."""
    return tuple(UNIT_OR_SIGN.findall(text)) if holds_code(text) else words(text)
