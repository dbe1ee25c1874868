"""Values that cross from a program's process to that of its tests, as JSON: data, never code.

Each comes back as exactly the type that it was: built-in types, those of `collections`, `datetime`,
`decimal` and `fractions`, numpy's arrays and scalars, pandas' frames, series and indexes, and
exceptions by the name of a class that the tests' process knows. Nothing else crosses.
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import fractions
import json
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

_DTYPE = re.compile(r"[<>|=]?([biufcSU]\d+|[mM]8\[\w+\])")
_FACTORIES = {kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool)}
_VIEWS: dict[str, Callable[[Any], Any]] = {
    "dict_keys": dict.keys,
    "dict_values": dict.values,
    "dict_items": dict.items,
}

_ITERATORS: tuple[type, ...] = (*(map, filter, zip, enumerate, reversed, type(iter([]))),)


class CrossingError(TypeError):
    """A value that cannot cross, or text that no value becomes: says of which type."""


def pack(value: Any) -> str:
    """Return a value as text.

    Raises:
        CrossingError: it cannot cross.
    """
    return json.dumps(_pack(value))


def unpack(text: str) -> Any:
    """Return the value.

    Raises:
        CrossingError: this is not what `pack` writes.
    """
    try:
        return _unpack(json.loads(text))
    except CrossingError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a library says to data that is none
        raise CrossingError(f"no value: {type(error).__name__}: {str(error)[:100]}") from None


def _pack(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    packer = _PACKERS.get(kind) or _library_packer(value)
    if packer is None:
        raise CrossingError(f"a value of type {kind.__name__} cannot cross between processes")
    name, content = packer(value)
    return content if name == "list" else {name: content}


def _unpack(packed: Any) -> Any:
    if isinstance(packed, list):
        return list(map(_unpack, packed))
    if not isinstance(packed, dict):
        return packed
    [(name, content)] = packed.items()
    return _UNPACKERS[name](content)


def _items(name: str) -> Callable[[Any], tuple[str, Any]]:
    return lambda value: (name, list(map(_pack, value)))


def _pairs(name: str) -> Callable[[Any], tuple[str, Any]]:
    return lambda value: (name, [[_pack(k), _pack(v)] for k, v in value.items()])


def _read_pairs(content: Any) -> Any:
    return [(_unpack(key), _unpack(value)) for key, value in content]


def _pack_defaultdict(value: Any) -> tuple[str, Any]:
    factory = value.default_factory
    if factory is not None and _FACTORIES.get(getattr(factory, "__name__", "")) is not factory:
        raise CrossingError("a defaultdict of another factory cannot cross between processes")
    pairs = [[_pack(k), _pack(v)] for k, v in value.items()]
    return "defaultdict", [factory and factory.__name__, pairs]


def _pack_time(value: Any) -> tuple[str, Any]:
    zone = getattr(value, "tzinfo", None)
    if zone not in (None, datetime.UTC):
        raise CrossingError("a time of a named zone cannot cross between processes")
    return type(value).__name__, value.isoformat()


_PACKERS: dict[type, Callable[[Any], tuple[str, Any]]] = {
    int: lambda value: ("int", hex(value)),
    list: _items("list"),
    tuple: _items("tuple"),
    set: _items("set"),
    frozenset: _items("frozenset"),
    collections.deque: lambda value: ("deque", [list(map(_pack, value)), value.maxlen]),
    dict: _pairs("dict"),
    collections.OrderedDict: _pairs("OrderedDict"),
    collections.Counter: _pairs("Counter"),
    collections.defaultdict: _pack_defaultdict,
    bytes: lambda value: ("bytes", value.hex()),
    bytearray: lambda value: ("bytearray", value.hex()),
    complex: lambda value: ("complex", [value.real, value.imag]),
    range: lambda value: ("range", [value.start, value.stop, value.step]),
    decimal.Decimal: lambda value: ("Decimal", str(value)),
    fractions.Fraction: lambda value: ("Fraction", str(value)),
    datetime.datetime: _pack_time,
    datetime.date: _pack_time,
    datetime.time: _pack_time,
    datetime.timedelta: lambda v: ("timedelta", [v.days, v.seconds, v.microseconds]),
    pathlib.PosixPath: lambda value: ("Path", str(value)),
    **{type(view({})): _items(name) for name, view in _VIEWS.items()},
    **dict.fromkeys(_ITERATORS, _items("iterator")),
    type(_ for _ in ()): _items("generator"),
}
_UNPACKERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "tuple": lambda content: tuple(map(_unpack, content)),
    "set": lambda content: set(map(_unpack, content)),
    "frozenset": lambda content: frozenset(map(_unpack, content)),
    "deque": lambda content: collections.deque(map(_unpack, content[0]), content[1]),
    "dict": lambda content: dict(_read_pairs(content)),
    "OrderedDict": lambda content: collections.OrderedDict(_read_pairs(content)),
    "Counter": lambda content: collections.Counter(dict(_read_pairs(content))),
    "defaultdict": lambda content: collections.defaultdict(
        content[0] and _FACTORIES[content[0]], _read_pairs(content[1])
    ),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda content: complex(float(content[0]), float(content[1])),
    "range": lambda content: range(*content),
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "Path": pathlib.Path,
    "timedelta": lambda content: datetime.timedelta(*content),
    "dict_keys": lambda content: dict.fromkeys(map(_unpack, content)).keys(),
    "dict_values": lambda content: dict(enumerate(map(_unpack, content))).values(),
    "dict_items": lambda content: dict(map(_unpack, content)).items(),
    "generator": lambda content: (item for item in list(map(_unpack, content))),
    "iterator": lambda content: iter(list(map(_unpack, content))),
}


# What libraries add; a process that has not loaded one has no value of it.


def _library_packer(value: Any) -> Callable[[Any], tuple[str, Any]] | None:
    kind = type(value)
    if kind.__module__.partition(".")[0] not in ("numpy", "pandas"):
        return None
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.generic) and kind is value.dtype.type:
        return lambda scalar: ("scalar", _array(numpy.asarray(scalar)))
    if numpy is not None and kind is numpy.ndarray:
        return lambda array: ("array", _array(array))
    if pandas is None:
        return None
    return {
        pandas.DataFrame: _frame,
        pandas.Series: _series,
        pandas.MultiIndex: _multi_index,
        pandas.RangeIndex: lambda v: ("RangeIndex", [v.start, v.stop, v.step, _pack(v.name)]),
        pandas.Index: _index,
        pandas.DatetimeIndex: _index,
        pandas.TimedeltaIndex: _index,
        pandas.CategoricalIndex: _index,
        pandas.Timestamp: lambda v: ("Timestamp", [v.isoformat(), None if v.tz is None else "UTC"]),
        pandas.Timedelta: lambda v: ("Timedelta", v.isoformat()),
        type(pandas.NaT): lambda v: ("NaT", None),
    }.get(kind)


def _array(array: Any) -> list[Any]:
    if array.dtype.hasobject:
        return ["O", list(array.shape), list(map(_pack, array.ravel().tolist()))]
    text = array.dtype.str
    if not _DTYPE.fullmatch(text):
        raise CrossingError(f"an array of {text} cannot cross between processes")
    return [text, list(array.shape), base64.b64encode(array.tobytes()).decode()]


def _read_array(content: Any) -> Any:
    import numpy

    dtype, shape, data = content
    if dtype == "O":
        array = numpy.empty(len(data), dtype=object)
        array[:] = list(map(_unpack, data))
    elif _DTYPE.fullmatch(dtype):
        array = numpy.frombuffer(base64.b64decode(data), dtype=dtype).copy()
    else:
        raise CrossingError("an array of an unknown type")
    return array.reshape(shape)


def _values(values: Any) -> list[Any]:
    """Pack a series or index: an array, categories, or elements with the type of the column."""
    import numpy
    import pandas

    if isinstance(values.dtype, numpy.dtype):
        return ["plain", *_array(values.to_numpy())]
    if isinstance(values.dtype, pandas.CategoricalDtype):
        categorical = values.array
        codes = _array(categorical.codes)
        return ["category", codes, _pack(categorical.categories), bool(categorical.ordered)]
    name = str(values.dtype)
    if not re.fullmatch(r"string|boolean|U?Int\d+|Float\d+|str", name):
        raise CrossingError(f"a column of {name} cannot cross between processes")
    elements = [None if pandas.isna(item) else item for item in values.tolist()]
    return ["elements", name, list(map(_pack, elements))]


def _read_values(content: Any) -> Any:
    import pandas

    kind, *rest = content
    if kind == "category":
        codes, categories, ordered = rest
        read = _read_array(codes), _unpack(categories)
        return pandas.Categorical.from_codes(read[0], read[1], ordered=bool(ordered))
    if kind == "elements":
        return pandas.array([_unpack(item) for item in rest[1]], dtype=str(rest[0]))
    return _read_array(rest)


def _index(index: Any) -> tuple[str, Any]:
    return "Index", [_values(index), _pack(index.name), type(index).__name__ == "Index"]


def _dtype_of(read: Any) -> Any:
    """Objects stay objects: pandas would look for a narrower type."""
    return object if getattr(read, "dtype", None) == object else None  # noqa: E721 - a dtype


def _read_index(content: Any) -> Any:
    import pandas

    values, name, plain = content
    read = _read_values(values)
    return pandas.Index(read, name=_unpack(name), dtype=_dtype_of(read) if plain else None)


def _multi_index(index: Any) -> tuple[str, Any]:
    return "MultiIndex", [list(map(_pack, index.tolist())), list(map(_pack, index.names))]


def _read_multi_index(content: Any) -> Any:
    import pandas

    tuples, names = content
    return pandas.MultiIndex.from_tuples(
        list(map(_unpack, tuples)), names=list(map(_unpack, names))
    )


def _series(series: Any) -> tuple[str, Any]:
    return "Series", [_values(series), _pack(series.index), _pack(series.name)]


def _read_series(content: Any) -> Any:
    import pandas

    values, index, name = content
    read = _read_values(values)
    return pandas.Series(read, index=_unpack(index), name=_unpack(name), dtype=_dtype_of(read))


def _frame(frame: Any) -> tuple[str, Any]:
    columns = [_values(frame.iloc[:, n]) for n in range(frame.shape[1])]
    return "DataFrame", [columns, _pack(frame.index), _pack(frame.columns)]


def _read_frame(content: Any) -> Any:
    import pandas

    columns, index, names = content
    index = _unpack(index)
    read = [
        pandas.Series(values, index=index, dtype=_dtype_of(values))
        for values in map(_read_values, columns)
    ]
    frame = pandas.concat(read, axis=1) if read else pandas.DataFrame(index=index)
    frame.columns = _unpack(names)
    return frame


def _read_range_index(content: Any) -> Any:
    import pandas

    start, stop, step, name = content
    return pandas.RangeIndex(start, stop, step, name=_unpack(name))


def _read_stamp(content: Any) -> Any:
    import pandas

    return pandas.Timestamp(content[0], tz="UTC" if content[1] == "UTC" else None)


def _pandas(name: str) -> Callable[[Any], Any]:
    import pandas

    return getattr(pandas, name)  # type: ignore[no-any-return]


_UNPACKERS |= {
    "array": _read_array,
    "scalar": lambda content: _read_array(content)[()],
    "DataFrame": _read_frame,
    "Series": _read_series,
    "Index": _read_index,
    "MultiIndex": _read_multi_index,
    "RangeIndex": _read_range_index,
    "Timestamp": _read_stamp,
    "Timedelta": lambda content: _pandas("Timedelta")(content),
    "NaT": lambda content: _pandas("NaT"),
}


def pack_error(error: BaseException) -> str:
    """Return an exception as text: the classes that it is one of, and its arguments."""
    names = [[kind.__module__, kind.__qualname__] for kind in type(error).__mro__]
    try:
        arguments = _pack(list(error.args))
    except CrossingError:
        arguments = [str(error)]
    return json.dumps([names, arguments])


def unpack_error(text: str) -> Exception:
    """Return the exception, of the first of its classes that this process knows.

    Raises:
        CrossingError: this is not what `pack_error` writes.
    """
    try:
        names, arguments = json.loads(text)
        known = (_known_error(module, name) for module, name in names)
        kind = next((kind for kind in known if kind is not None), Exception)
        error = kind.__new__(kind)
        error.args = tuple(_unpack(arguments))
        return kind(*error.args) if issubclass(kind, OSError) else error
    except Exception as error:  # noqa: BLE001 - as above
        raise CrossingError(f"an exception that cannot cross: {type(error).__name__}") from None


def _known_error(module: Any, name: Any) -> type[Exception] | None:
    """Return an exception class of a loaded module, none of those by which unittest is led."""
    found: Any = sys.modules.get(str(module))
    for part in str(name).split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return None
    leading = any(kind.__module__.startswith("unittest") for kind in found.__mro__)
    return None if leading else found
