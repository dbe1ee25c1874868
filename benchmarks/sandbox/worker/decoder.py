"""Reads the tagged JSON of `codec`, which a hostile program may have written.

Whatever the text says, nothing but CodecError comes out, and the time and the memory that reading
takes grow with the length of the text alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any

from benchmarks.sandbox.worker.codec import (
    MAX_NODES,
    NUMPY_KINDS,
    Array,
    CodecError,
    Digest,
    Object,
    Opaque,
    Sub,
)

MAX_BITS = 1 << 14
"""Length of an integer, unless the reader expects longer ones: above Python's own 4,300 digits."""

MAX_COLLISIONS = 16
"""Different elements with one hash. Python's own: of {-1, -2}, tuples of four are 16."""

_MAX_DIMENSIONS = 64


def nodes(text: bytes) -> int:
    """Return how many parts tagged JSON may have: what reading it costs, known before it is read.

    Commas and brackets in strings count as well.
    """
    return 1 + sum(text.count(mark) for mark in (b",", b"[", b"{"))


def longest_int(text: bytes) -> int:
    """Return the bits of the longest integer in tagged JSON that does not stand for itself."""
    return max((4 * len(digits) for digits in re.findall(rb'"-?0x([0-9a-f]+)"', text)), default=0)


def decode(tagged: Any, max_bits: int = MAX_BITS) -> Any:
    """Return the value that `encode` was given, with this module's types where it says so.

    The time that it takes grows with the length of the text, whatever the text says: integers have
    no more than `max_bits` bits (or MAX_BITS), and hashes do not collide.

    Raises:
        CodecError: not what `encode` writes, or beyond these limits.
    """
    try:
        return _Decoder(max_bits).decode(tagged)
    except _BAD_CONTENT as error:
        raise CodecError(f"not tagged JSON: {type(error).__name__}: {str(error)[:80]}") from error


def distinct(elements: Iterable[Any]) -> set[Any]:
    """Return the set of the elements.

    Raises:
        CodecError: their hashes were chosen to collide, so that the set would take hours.
        TypeError: one of them cannot be hashed.
    """
    found: set[Any] = set()
    hashes: Counter[int] = Counter()
    for element in elements:
        if element not in found:
            found.add(element)
            hashes[hash(element)] += 1
            if hashes[hash(element)] > MAX_COLLISIONS:
                raise CodecError(f"more than {MAX_COLLISIONS} elements with one hash")
    return found


class _Decoder:
    """Reads one value. What its methods are given may be anything that JSON can say."""

    def __init__(self, max_bits: int) -> None:
        self._max_bits = max(max_bits, MAX_BITS)
        self._has_decimal = self._has_long_int = False

    def decode(self, tagged: Any) -> Any:
        """Return the value; raises CodecError or one of _BAD_CONTENT."""
        if tagged is None or isinstance(tagged, bool | str | int | float):
            return tagged
        if isinstance(tagged, list):
            return [self.decode(item) for item in tagged]
        [(tag, content)] = tagged.items()
        return _DECODERS[tag](self, content)

    def integer(self, content: str) -> int:
        bits = 4 * len(content) - 12  # of "-0x"
        if bits > self._max_bits:
            raise CodecError(f"an integer of more than {self._max_bits} bits")
        self._note(long_int=bits > MAX_BITS)
        return int(content, 16)

    def decimal(self, content: str) -> Decimal:
        self._note(decimal=True)
        return Decimal(_text(content))

    def _note(self, *, long_int: bool = False, decimal: bool = False) -> None:
        """Refuse decimals next to long integers: comparing the two takes quadratic time."""
        self._has_decimal |= decimal
        self._has_long_int |= long_int
        if self._has_decimal and self._has_long_int:
            raise CodecError("a decimal next to a long integer")

    def fraction(self, content: Any) -> Fraction:
        numerator, denominator = content
        return Fraction(self.integer(numerator), self.integer(denominator))

    def complex_number(self, content: Any) -> complex:
        real, imaginary = content
        return complex(float(real), float(imaginary))

    def elements(self, content: Any) -> list[Any]:
        if not isinstance(content, list):
            raise CodecError("no list of elements")
        return [self.decode(item) for item in content]

    def mapping(self, content: Any) -> dict[Any, Any]:
        pairs = [(self.decode(key), self.decode(value)) for key, value in content]
        distinct(key for key, _ in pairs)
        return dict(pairs)

    def subclass(self, content: Any) -> Sub:
        name, value = content
        return Sub(_text(name), self.decode(value))

    def array(self, content: Any) -> Array:
        kind, shape, items = content
        if not NUMPY_KINDS.fullmatch(kind):
            raise CodecError("an array of an unknown kind")
        found = Array(kind, None if shape is None else tuple(shape), tuple(self.elements(items)))
        lengths = found.shape or ()
        possible = all(type(length) is int and 0 <= length <= MAX_NODES for length in lengths)
        if not possible or len(lengths) > _MAX_DIMENSIONS:
            raise CodecError("an array of an impossible shape")
        if prod(lengths) != len(found.items):
            raise CodecError("an array whose elements do not fill its shape")
        return found

    def library_object(self, content: Any) -> Object:
        name, data = content
        value = self.decode(data)
        if not isinstance(value, str | tuple):
            raise CodecError("an object with impossible data")
        return Object(_text(name), value)

    def opaque(self, content: Any) -> Opaque:
        name, items = content
        return Opaque(_text(name), None if items is None else tuple(self.elements(items)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CodecError("no text where there must be one")
    return value


# What anything but tagged JSON makes the decoder raise.
_BAD_CONTENT = (
    *(TypeError, ValueError, AttributeError, LookupError, ArithmeticError),
    *(RecursionError, MemoryError),
)
_DECODERS: dict[str, Callable[[_Decoder, Any], Any]] = {
    "int": _Decoder.integer,
    "float": lambda decoder, content: float(content),
    "bytes": lambda decoder, content: bytes.fromhex(content),
    "bytearray": lambda decoder, content: bytearray.fromhex(content),
    "complex": _Decoder.complex_number,
    "ellipsis": lambda decoder, content: ...,
    "decimal": _Decoder.decimal,
    "fraction": _Decoder.fraction,
    "tuple": lambda decoder, content: tuple(decoder.elements(content)),
    "set": lambda decoder, content: distinct(decoder.elements(content)),
    "frozenset": lambda decoder, content: frozenset(distinct(decoder.elements(content))),
    "dict": _Decoder.mapping,
    "sub": _Decoder.subclass,
    "numpy": _Decoder.array,
    "object": _Decoder.library_object,
    "digest": lambda decoder, content: Digest(*map(_text, content)),
    "opaque": _Decoder.opaque,
}


def canonical(tagged: Any) -> str:
    """Return one string for all encodings of equal values of equal types.

    The order of sets and dicts does not count, and neither does the sign of a zero; NaN is itself.
    """
    if isinstance(tagged, float):
        return repr(tagged + 0.0)
    if isinstance(tagged, list):
        return "[" + ",".join(map(canonical, tagged)) + "]"
    if not isinstance(tagged, dict):
        return json.dumps(tagged)
    [(tag, content)] = tagged.items()
    if tag in ("set", "frozenset"):
        return f"{tag}(" + ",".join(sorted(map(canonical, content))) + ")"
    if tag == "dict":
        return (
            "dict(" + ",".join(sorted(f"{canonical(k)}:{canonical(v)}" for k, v in content)) + ")"
        )
    return f"{tag}(" + canonical(content) + ")"


def has_opaque(tagged: Any) -> bool:
    """Whether a part of the value could not be written."""
    if isinstance(tagged, list):
        return any(map(has_opaque, tagged))
    if isinstance(tagged, dict):
        return "opaque" in tagged or any(map(has_opaque, tagged.values()))
    return False
