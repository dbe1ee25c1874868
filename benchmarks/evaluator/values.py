"""Decoded outputs as Python's and NumPy's own values, and what comparison rules ask about them.

All of it is data that a program may have made up: it may be anything that the decoder lets through.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.sandbox.worker.codec import Array, Object, Opaque, Sub
from benchmarks.sandbox.worker.decoder import distinct

_RELATIVE_TOLERANCE = 1e-7

# Subclasses of dict whose own comparison differs from dict's.
_LIBRARY_DICTS: dict[str, Callable[[Any], Any]] = {"Counter": Counter, "OrderedDict": OrderedDict}


class Single:
    """A NumPy scalar, or an array of one element: equal to what NumPy says it equals.

    NumPy itself would make an array of all that it is compared with, of any size.
    """

    def __init__(self, value: Any, shape: tuple[int, ...] | None) -> None:
        self.value = value
        self.shape = shape

    def __eq__(self, other: object) -> bool:
        """Whether the other is an equal value, or one such value in lists or tuples."""
        while isinstance(other, list | tuple) and len(other) == 1:
            [other] = other
        if isinstance(other, list | tuple | dict | set | frozenset | Array):
            return False
        return bool(self.value == bare(other))

    def __hash__(self) -> int:
        """Return a scalar's hash; an array has none."""
        if self.shape is not None:
            raise TypeError("an array cannot be hashed")
        return hash(self.value)


def bare(value: Any) -> Any:
    """Return the scalar in a `Single`, and anything else as it is."""
    return value.value if isinstance(value, Single) else value


def plain(value: Any) -> Any:
    """Return a decoded value as one that Python can compare as the program's own was.

    An instance of a subclass becomes one of the built-in type. An array of other than one element
    stays an `Array`: NumPy's own comparison of it has no truth value.
    """
    if isinstance(value, Sub):
        found = plain(value.value)
        library = _LIBRARY_DICTS.get(value.type_name) if isinstance(found, dict) else None
        return found if library is None else library(found)
    if isinstance(value, Array) and len(value.items) == 1:
        return _single(value)
    if isinstance(value, dict):
        distinct(keys := [plain(key) for key in value])
        return dict(zip(keys, map(plain, value.values()), strict=True))
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    if isinstance(value, set | frozenset):
        return type(value)(distinct(map(plain, value)))
    return value


def _single(value: Array) -> Any:
    import numpy as np

    [item] = map(plain, value.items)
    if value.kind == "O":
        return Single(item, value.shape)
    if not isinstance(item, bool | int | float | complex | str | bytes):
        raise TypeError(f"no {value.kind} holds such a thing")
    return Single(np.dtype(value.kind).type(item), value.shape)


def type_of(value: Any) -> Any:
    """Return what stands for the type that a decoded value had in the program."""
    if isinstance(value, Sub):
        return value.type_name, type(value.value)
    if isinstance(value, Array):
        return (Array, value.kind) if value.shape is None else Array
    return type(value)


def is_floats(value: Any) -> bool:
    """Whether EvalPlus sees floats in a plain value: one, a list or a tuple of them, an array."""
    if isinstance(value, list | tuple) and value:
        return all(isinstance(bare(item), float) for item in value)
    if isinstance(value, Array):
        return value.kind in ("f4", "f8")
    is_array = isinstance(value, Single) and value.shape is not None
    return isinstance(bare(value), float) or (
        is_array and getattr(value.value, "dtype", None) == "f4"
    )


def is_close(got: Any, wanted: Any, atol: float) -> bool:
    """Whether numbers, or lists or arrays of them in equal shapes, differ by so little.

    Raises:
        TypeError: there is something else.
    """
    import numpy as np

    one, other = np.asarray(_numbers(got)), np.asarray(_numbers(wanted))
    with np.errstate(all="ignore"):
        return one.shape == other.shape and bool(
            np.allclose(one, other, rtol=_RELATIVE_TOLERANCE, atol=atol)
        )


def _numbers(value: Any) -> Any:
    """Return what NumPy makes an array of; texts would take the longest one's size for each."""
    import numpy as np

    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    if isinstance(value, Single):
        return np.full(value.shape or (), _numbers(value.value))
    if isinstance(value, Array):
        return np.array(_numbers(value.items), np.dtype(value.kind)).reshape(value.shape or ())
    if isinstance(value, int | float | complex | np.number | np.bool):
        return value
    raise TypeError(f"{type(value).__name__} is not a number")


def elements(value: Any) -> Iterable[Any]:
    """Return what iterating over the value gives.

    Raises:
        TypeError: it is not iterable.
    """
    if isinstance(value, Array | Single):
        if len(value.shape or ()) != 1:
            raise TypeError("no array of one dimension, whose elements could be hashed")
        return value.items if isinstance(value, Array) else (value.value,)
    found: Iterable[Any] = value
    if isinstance(value, Opaque) and value.items is not None:
        found = map(plain, value.items)
    elif isinstance(value, Object) and isinstance(value.data, tuple):
        found = map(plain, value.data)
    return iter(found)
