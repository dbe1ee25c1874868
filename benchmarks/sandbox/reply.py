"""Reads a program's reply lines, trusting nothing about them."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks.sandbox.jobs import AnyOutput, ErrorMarker, HashedOutput, Output

_NUMBER_BYTES = 32
_MARKER_BYTES = 1 << 14


class Reply:
    """The reply of a program so far; `fault` says what is wrong with it, if anything.

    Attributes:
        loaded: whether the program's text ran and gave the entry point.
        outputs: outputs, complete or hashed, and errors, in input order.
        seconds: the program's own measure of each call: processor time, and on the wall.
        ended: whether it said that it is through.
        fatal: the exception that ended loading.
    """

    def __init__(self, inputs: int, limit_bytes: int, *, hashed: bool = False) -> None:
        self._inputs = inputs
        self._words = _OUTPUTS if hashed else _WHOLE
        self._left = limit_bytes
        self._pending = bytearray()
        self.loaded = False
        self.outputs: list[AnyOutput] = []
        self.seconds: list[tuple[float, float]] = []
        self.ended = False
        self.fatal: ErrorMarker | None = None
        self.fault: str | None = None
        self.too_long = False

    def feed(self, data: bytes) -> None:
        """Take more bytes from the pipe."""
        self._left -= len(data)
        if self._left < 0:
            self.too_long = True
        if self._is_refused:
            self._pending.clear()
            return
        self._pending += data
        if b"\n" not in data:
            return
        start = 0
        # One by one: a line of one byte takes fifty as an object.
        while (end := self._pending.find(b"\n", start)) >= 0 and not self._is_refused:
            self._take(bytes(self._pending[start:end]))
            start = end + 1
        del self._pending[:start]

    def _take(self, line: bytes) -> None:
        word, _, content = line.partition(b" ")
        try:
            self._accept(word, content)
        except Exception:  # noqa: BLE001 - the boundary: no reply may end the evaluation
            self.fault = f"malformed reply: {line[:80]!r}"

    def _accept(self, word: bytes, content: bytes) -> None:
        if self.ended or self.fatal:
            raise ValueError("a reply after the end")
        if word == b"limit":
            self.too_long = True
        elif word == b"fatal":
            self.fatal = _marker(content)
        elif word == b"loaded" and not self.loaded:
            self.loaded = True
        elif word == b"end" and self.loaded and self._is_through:
            self.ended = True
        else:
            self._accept_output(word, content)

    def _accept_output(self, word: bytes, content: bytes) -> None:
        if not self.loaded or word not in self._words or len(self.outputs) >= self._inputs:
            raise ValueError("an output out of order")
        cpu, wall, text = content.split(b" ", 2)
        seconds = _seconds(cpu), _seconds(wall)
        self.outputs.append(self._words[word](text))
        self.seconds.append(seconds)

    @property
    def _is_refused(self) -> bool:
        return self.too_long or self.fault is not None

    @property
    def _is_through(self) -> bool:
        """Whether every call was answered, or one raised, after which there need not be more."""
        return len(self.outputs) == self._inputs or self.error is not None

    @property
    def error(self) -> ErrorMarker | None:
        """The first exception, of loading or of a call."""
        if self.fatal:
            return self.fatal
        return next((item for item in self.outputs if isinstance(item, ErrorMarker)), None)


def _seconds(text: bytes) -> float:
    if len(text) > _NUMBER_BYTES:
        raise ValueError("a time of too many digits")
    seconds = float(text)
    return seconds if 0 <= seconds < 1e6 else 0.0


def _marker(text: bytes) -> ErrorMarker:
    if len(text) > _MARKER_BYTES:
        raise ValueError("an exception of too many words")
    type_name, message = (_storable(str(part)) for part in json.loads(text))
    return ErrorMarker(type_name[:100], message[:300])


def _storable(text: str) -> str:
    """Return a text that can be written as UTF-8: half a surrogate pair becomes its escape."""
    return text.encode(errors="backslashreplace").decode()


_Read = Callable[[bytes], AnyOutput]
_WHOLE: dict[bytes, _Read] = {b"=": Output, b"!": _marker}
_OUTPUTS: dict[bytes, _Read] = {**_WHOLE, b"#": lambda text: HashedOutput(text[:64].decode())}
