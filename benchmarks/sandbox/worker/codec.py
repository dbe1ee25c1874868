"""Python values as tagged JSON: exact by type in both directions, and never code.

JSON's own null, booleans, strings, 64-bit integers, finite floats and arrays stand for themselves
(an array is a list); every other value is an object with one key, its tag. An instance of a
subclass of a built-in type travels as `Sub` (its type's name and its built-in value, read by the
built-in type's own methods), and so does what equals a built-in value by a protocol (a mapping, a
set, a number). NumPy's arrays and scalars travel as `Array`, a few types of the standard library as
`Object`, what is too large to send as a `Digest`, and anything else as `Opaque`, which equals
nothing. Names of types are the program's word: a reader may not conclude anything from them.
"""

from __future__ import annotations

import hashlib
import itertools
import marshal
import numbers
import re
import sys
from collections import UserList, UserString, deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 2_000_000
MAX_ITEMS = 100_000
"""Maximum number of elements that are read from an iterable that is not a container."""

UNEQUAL_TAGS = ("float", "complex", "decimal", "opaque")
"""Tags of what may not equal itself: NaN, and what is opaque."""

_DIGEST_ITEMS = 1_000
# The last version that writes equal objects equally, whether or not they are one object.
_MARSHAL_VERSION = 2
_SMALL_BITS = 64
_UNEQUAL = tuple(b"{" + marshal.dumps(tag, _MARSHAL_VERSION) for tag in UNEQUAL_TAGS)
NUMPY_KINDS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[USO]")


class CodecError(ValueError):
    """Tagged JSON that `encode` never writes, or that takes too long to read: says which part."""


class SizeError(ValueError):
    """A value with more parts than `MAX_NODES`."""


@dataclass(frozen=True, slots=True)
class Sub:
    """A value whose type is a subclass of a built-in type, or equals such values by a protocol."""

    type_name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Array:
    """A NumPy array, or a scalar where `shape` is None; `kind` is the dtype's letter and size."""

    kind: str
    shape: tuple[int, ...] | None
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """A value of a type of the standard library: equal for equal data of one type."""

    type_name: str
    data: str | tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A value that cannot be written; `items` are the elements where it could be iterated over."""

    type_name: str
    items: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """A value of more than `MAX_NODES` parts: equal for equal values of equal types."""

    type_name: str
    sha256: str


class _Encoder:
    """Writes one value and counts its parts."""

    def __init__(self, max_nodes: int) -> None:
        self._left = max_nodes

    def encode(self, value: Any, depth: int = 0) -> Any:
        """Return the tagged JSON value."""
        self._count(1)
        kind = type(value)
        if depth > MAX_DEPTH:
            return {"opaque": [f"{kind.__name__} nested deeper than {MAX_DEPTH}", None]}
        if kind in _SCALARS:
            return _SCALARS[kind](value)
        if kind in _ARRAYS:
            return self._array(kind, value, depth)
        return self._other(kind, value, depth)

    def _count(self, nodes: int) -> None:
        self._left -= nodes
        if self._left < 0:
            raise SizeError(f"a value of more than {MAX_NODES} parts")

    def _array(self, kind: type, value: Any, depth: int) -> Any:
        if kind is dict:
            pairs = dict.items(value)
            return {
                "dict": [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in pairs]
            }
        items = list(value)
        if _is_json(items):
            self._count(len(items))
        else:
            items = [self.encode(item, depth + 1) for item in items]
        return items if kind is list else {kind.__name__: items}

    def _other(self, kind: type, value: Any, depth: int) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, (numpy.generic, numpy.ndarray)):
            letter, size = value.dtype.kind, value.dtype.itemsize
            dtype = f"{letter}{size}" if letter in "biufc" else letter
            if NUMPY_KINDS.fullmatch(dtype):
                items = numpy.asarray(value).reshape(-1).tolist()
                shape = list(value.shape) if issubclass(kind, numpy.ndarray) else None
                return {"numpy": [dtype, shape, self._array(list, items, depth)]}
        for base, reader in _READERS.items():
            if issubclass(kind, base):
                return {"sub": [kind.__name__, self.encode(reader(value), depth + 1)]}
        if kind in _OBJECTS:
            data = _OBJECTS[kind](value)
            return {"object": [kind.__name__, self.encode(data, depth + 1)]}
        # What is asked for the elements of an iterable asks for those of the output itself.
        return {"opaque": [kind.__name__, None if depth else self._items(value)]}

    def _items(self, value: Any) -> list[Any] | None:
        try:
            items = list(itertools.islice(iter(value), MAX_ITEMS + 1))
        except Exception:  # noqa: BLE001 - a program's iterator may raise anything
            return None
        return None if len(items) > MAX_ITEMS else [self.encode(item, 1) for item in items]


def _is_json(items: list[Any]) -> bool:
    """Whether every item stands for itself, found without a step of Python for each."""
    kinds = set(map(type, items))
    if kinds <= {str, bool, type(None)}:
        return True
    if not kinds <= {int, float, bool}:
        return False
    try:
        # A finite sum has finite parts; one that is not may be of finite parts too.
        finite = isfinite(sum(items)) or all(map(isfinite, items))
        return finite and (int not in kinds or max(map(abs, items)) < 1 << _SMALL_BITS)
    except OverflowError:
        return False


def _encode_int(value: int) -> Any:
    return value if value.bit_length() <= _SMALL_BITS else {"int": hex(value)}


def _encode_float(value: float) -> Any:
    return value if isfinite(value) else {"float": repr(value)}


def _same(value: Any) -> Any:
    return value


_SCALARS: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    str: _same,
    int: _encode_int,
    float: _encode_float,
    bytes: lambda value: {"bytes": value.hex()},
    bytearray: lambda value: {"bytearray": value.hex()},
    complex: lambda value: {"complex": [repr(value.real), repr(value.imag)]},
    type(...): lambda value: {"ellipsis": None},
    Decimal: lambda value: {"decimal": str(value)},
    Fraction: lambda value: {"fraction": [hex(value.numerator), hex(value.denominator)]},
}
_ARRAYS = frozenset({list, tuple, set, frozenset, dict})
# The built-in value of an instance: of subclasses first, then of what has a protocol.
_READERS: dict[type, Callable[[Any], Any]] = {
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    bytearray: bytearray,
    Decimal: Decimal,
    numbers.Integral: int,
    numbers.Rational: lambda value: Fraction(int(value.numerator), int(value.denominator)),
    numbers.Real: float,
    Mapping: dict,
    Set: set,
    UserList: list,
    UserString: str,
}
_OBJECTS: dict[type, Callable[[Any], Any]] = {
    deque: tuple,
    range: tuple,
    **dict.fromkeys((date, datetime, time, timedelta), repr),
}


def encode(value: Any, max_nodes: int = MAX_NODES) -> Any:
    """Return `value` as tagged JSON (what `json.dumps` can write).

    Raises:
        SizeError: the value has more than `max_nodes` parts.
    """
    return _Encoder(max_nodes).encode(value)


def encode_or_digest(value: Any, max_nodes: int = MAX_NODES) -> Any:
    """Return `value` as tagged JSON, or its digest where it is too large to send.

    Raises:
        SizeError: too large, and no list, tuple or text of built-in types alone.
    """
    try:
        return encode(value, max_nodes)
    except SizeError as error:
        digest = hashlib.sha256()
        try:
            # Piece by piece: the whole again as bytes may not fit into memory.
            for start in range(0, len(value), _DIGEST_ITEMS):
                digest.update(marshal.dumps(value[start : start + _DIGEST_ITEMS], _MARSHAL_VERSION))
        except (TypeError, ValueError, KeyError):
            raise error from None
        return {"digest": [type(value).__name__, digest.hexdigest()]}


def hash_of(tagged: Any, above_bytes: int) -> str | None:
    """Return the SHA-256 of tagged JSON, or None where it has no more than `above_bytes` bytes.

    Equal hashes stand for equal values of equal types; there is none of a value that may not equal
    itself (NaN, and any complex number or decimal) or that could not be written.
    """
    data = marshal.dumps(tagged, _MARSHAL_VERSION)
    if len(data) <= above_bytes or any(mark in data for mark in _UNEQUAL):
        return None
    return hashlib.sha256(data).hexdigest()
