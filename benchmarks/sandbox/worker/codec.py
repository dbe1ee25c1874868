"""Python values as tagged JSON: exact by type in both directions, and never code.

JSON's own null, booleans, strings, 64-bit integers, finite floats and arrays stand for themselves
(an array is a list); every other value is an object with one key, its tag. An instance of a
subclass of a built-in type travels as `Sub` (its type's name and its built-in value, read by the
built-in type's own methods), what is too large to send as a `Digest`, and anything else as
`Opaque`, which equals nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import marshal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import isfinite
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 2_000_000
MAX_HASHED = 20_000
_DIGEST_ITEMS = 1_000
# The last version that writes equal objects equally, whether or not they are one object.
_MARSHAL_VERSION = 2
_SMALL_BITS = 64
# How a value begins that may not equal itself, as `marshal` writes it: NaN, and what is opaque.
_UNEQUAL = tuple(
    b"{" + marshal.dumps(tag, _MARSHAL_VERSION) for tag in ("float", "complex", "decimal", "opaque")
)


class CodecError(ValueError):
    """Text that is not tagged JSON: says which part."""


class SizeError(ValueError):
    """A value with more parts than `MAX_NODES`."""


@dataclass(frozen=True, slots=True)
class Sub:
    """A value whose type is a subclass of a built-in type (or a numpy scalar)."""

    type_name: str
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A value that cannot be written; `items` are the elements where it was an iterable."""

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
        for base, reader in _BASE_READERS.items():
            if issubclass(kind, base):
                return {"sub": [kind.__name__, self.encode(reader(value), depth + 1)]}
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return {"sub": [kind.__name__, self.encode(value.item(), depth + 1)]}
        if kind in _ITERABLES:
            items = itertools.islice(iter(value), self._left + 1)
            return {"opaque": [kind.__name__, [self.encode(item, depth + 1) for item in items]]}
        return {"opaque": [kind.__name__, None]}


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
_BASE_READERS: dict[type, Callable[[Any], Any]] = {
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
}
_ITERABLES = frozenset(
    {
        map,
        filter,
        zip,
        range,
        enumerate,
        reversed,
        deque,
        type({}.keys()),
        type({}.values()),
        type({}.items()),
        type(_ for _ in ()),
        type(iter([])),
        type(iter(())),
        type(iter(set())),
        itertools.chain,
        itertools.islice,
    }
)


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


def decode(tagged: Any) -> Any:
    """Return the value that `encode` was given, with this module's types where it says so.

    Raises:
        CodecError: not what `encode` writes.
    """
    if tagged is None or isinstance(tagged, bool | str | int | float):
        return tagged
    if isinstance(tagged, list):
        return [decode(item) for item in tagged]
    if not isinstance(tagged, dict) or len(tagged) != 1:
        raise CodecError(f"not a tagged value: {str(tagged)[:80]}")
    [(tag, content)] = tagged.items()
    if tag not in _DECODERS:
        raise CodecError(f"unknown tag {str(tag)[:40]!r}")
    # Keys chosen to collide make a large set take hours.
    if tag in _HASHED and len(content) > MAX_HASHED:
        raise CodecError(f"a {tag} of more than {MAX_HASHED} elements")
    try:
        return _DECODERS[tag](content)
    except (TypeError, ValueError, AttributeError, ArithmeticError, InvalidOperation) as error:
        raise CodecError(f"bad content of tag {tag!r}: {error}") from error


_HASHED = frozenset({"set", "frozenset", "dict"})


def _decode_opaque(content: Any) -> Opaque:
    name, items = content
    return Opaque(str(name), None if items is None else tuple(decode(item) for item in items))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "float": float,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda content: complex(float(content[0]), float(content[1])),
    "ellipsis": lambda content: ...,
    "decimal": Decimal,
    "fraction": lambda content: Fraction(int(content[0], 16), int(content[1], 16)),
    "tuple": lambda content: tuple(decode(item) for item in content),
    "set": lambda content: {decode(item) for item in content},
    "frozenset": lambda content: frozenset(decode(item) for item in content),
    "dict": lambda content: {decode(key): decode(value) for key, value in content},
    "sub": lambda content: Sub(str(content[0]), decode(content[1])),
    "digest": lambda content: Digest(str(content[0]), str(content[1])),
    "opaque": _decode_opaque,
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
