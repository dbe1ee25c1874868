"""LiveCodeBench's hidden tests, decoded without running what a pickle may ask for.

They are JSON text, pickled, compressed and in base64. `pickle.loads` would run any program that a
changed file holds; here only the operations that write one text are read, and nothing is called.
"""

from __future__ import annotations

import base64
import pickletools
import zlib
from typing import Any

from domino.text import load_json

MAX_BYTES = 1 << 30
_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
# What else CPython writes around one text: protocol, frame, memo, end.
_AROUND = frozenset({"PROTO", "FRAME", "MEMOIZE", "BINPUT", "STOP"})


class HiddenTestsError(ValueError):
    """Hidden tests are not what LiveCodeBench writes: says at which step."""


def decode_hidden(text: str) -> Any:
    """Return the JSON value in the field `private_test_cases`, encoded or plain.

    Raises:
        HiddenTestsError: not base64, not zlib, larger than `MAX_BYTES`, a pickle of anything but
            one text, or not JSON.
    """
    plain = text.lstrip()[:1] in ("[", "")
    try:
        return load_json(text if plain else _pickled_text(_decompress(text)))
    except ValueError as error:
        if isinstance(error, HiddenTestsError):
            raise
        raise HiddenTestsError(f"no JSON in it ({error})") from error


def _decompress(text: str) -> bytes:
    try:
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    except (ValueError, zlib.error) as error:
        raise HiddenTestsError(f"neither JSON nor compressed base64 ({error})") from error
    if not decompressor.eof:
        raise HiddenTestsError(f"cut off, or larger than {MAX_BYTES >> 20} MiB")
    return data


def _pickled_text(data: bytes) -> str:
    texts: list[str] = []
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name in _TEXT:
                texts.append(str(argument))
            elif operation.name not in _AROUND:
                raise HiddenTestsError(
                    f"its pickle has the operation {operation.name}, and one text alone is read"
                )
    except (ValueError, IndexError) as error:
        if isinstance(error, HiddenTestsError):
            raise
        raise HiddenTestsError(f"no pickle in it ({error})") from error
    if len(texts) != 1:
        raise HiddenTestsError(f"its pickle has {len(texts)} texts, and one alone is read")
    return texts[0]
