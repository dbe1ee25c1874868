"""Frozen config dataclasses from plain values: YAML files and dotted command-line overrides.

Only the types that configs use are read; a wrong key or value is one line that names the field,
the value, and what is expected. An unquoted YAML value stays text until its field's type is known,
so that files and command line agree: YAML itself would make a date of 2024-08-01, false of
no, 90 of 1:30, and text of 1e-3.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

from domino.text import storable

ConfigT = TypeVar("ConfigT")


class ConfigError(ValueError):
    """A run's configuration is wrong: which field, the value, what is expected."""


class Unquoted(str):
    """An unquoted YAML value: what it means is for its field to say."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """Reads unquoted values as `Unquoted`, and refuses a key that is given twice."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Compose a mapping; each key counts once, before any is merged into it."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.composer.ComposerError(
                    None, None, f"the key {name!r} is given twice", key.start_mark
                )
            seen.add(name)
        return node


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value) if node.style else Unquoted(node.value)


_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)
_Loader.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("<<"))]}


def read_yaml(text: str) -> Any:
    """Return what YAML says: mappings, lists, quoted text as text, and other values `Unquoted`.

    Raises:
        ValueError: it is not YAML, or gives a key twice; says where, in one line.
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One field that holds a value: its dotted path, type, default and explanation."""

    path: str
    hint: Any
    default: Any
    help: str


def closest(name: str, known: typing.Iterable[str]) -> str:
    """Return " (did you mean X?)" where a known name resembles the given one, else ""."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def leaves(config: Any, prefix: str = "") -> Iterator[Leaf]:
    """Yield every field of a config, nested ones by dotted path, with its value as default."""
    helps = _field_helps(type(config))
    for name, hint in field_types(type(config)).items():
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield Leaf(path=f"{prefix}{name}", hint=hint, default=value, help=helps.get(name, ""))


def update(config: ConfigT, values: Mapping[str, Any], prefix: str = "") -> ConfigT:
    """Return the config with the fields of a nested mapping replaced, everything validated.

    Raises:
        ConfigError: a key is unknown, or a value does not fit.
    """
    hints = field_types(type(config))
    changes = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        if name not in hints:
            known = [f"{prefix}{known}" for known in hints]
            raise ConfigError(f"unknown field {path}{closest(path, known)}")
        current = getattr(config, name)
        if dataclasses.is_dataclass(current):
            changes[name] = update(current, _require_mapping(path, value), f"{path}.")
        else:
            changes[name] = convert(path, hints[name], value)
    try:
        return dataclasses.replace(config, **changes)  # type: ignore[type-var]
    except (ValueError, TypeError) as error:
        raise ConfigError(_with_prefix(prefix, str(error))) from error


def field_types(config_class: type) -> Mapping[str, Any]:
    """Return the types of a config's fields, in the order of their definition."""
    hints = typing.get_type_hints(config_class)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_class)}


def describe_type(hint: Any) -> str:
    """Return words for a type, as an error message or a help text needs them."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if isinstance(hint, types.UnionType) or origin is typing.Union:
        return " or ".join(describe_type(option) for option in arguments)
    if origin is typing.Literal:
        return ", ".join(map(str, arguments[:-1])) + f" or {arguments[-1]}"
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    names = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "path",
             types.NoneType: "null"}  # fmt: skip
    return names.get(hint, str(hint))


def convert(path: str, hint: Any, value: Any) -> Any:
    """Return a plain value as the type asks for it.

    Raises:
        ConfigError: it cannot be read as that type.
    """
    try:
        return _convert(hint, value)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        shown = repr(value)[:_SHOWN]
        raise ConfigError(f"{path} is {shown}: give {describe_type(hint)}") from error


def convert_text(path: str, hint: Any, text: str) -> Any:
    """Return the text of a command-line option as the type asks for it; "null" is None.

    Raises:
        ConfigError: it cannot be read as that type.
    """
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if text == "null" and types.NoneType in options:
        return None
    if any(option in (str, Path) for option in options):
        return convert(path, hint, text)
    value: Any = Unquoted(text)
    if text.startswith(("[", "{")):
        try:
            value = read_yaml(text)
        except ValueError as error:
            if hint is not Any:  # which takes any text
                raise ConfigError(f"{path} is {text!r}: give {describe_type(hint)}") from error
    return convert(path, hint, value)


_SHOWN = 200
_NULLS = ("", "~", "null", "Null", "NULL")
_JSON_WORDS = {"null": None, "true": True, "false": False}
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _guessed(value: Any) -> Any:
    """Return null, truth values and numbers of unquoted YAML where they are written as JSON does.

    All else stays as it is: whoever knows its type can still convert it.
    """
    if isinstance(value, list):
        return [_guessed(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _guessed(item) for key, item in value.items()}
    if not isinstance(value, Unquoted):
        return value
    if value in _JSON_WORDS:
        return _JSON_WORDS[value]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            number = kind(value)
            if str(number) == value and math.isfinite(number):
                return number
    return value


def _convert(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if isinstance(value, str | Path):  # what no file and no file's name could hold
        _require("\0" not in str(value) and storable(str(value)) == str(value), value)
    if isinstance(hint, types.UnionType) or origin is typing.Union:
        return _convert_union(arguments, value)
    if origin is typing.Literal:
        _require(value in arguments, value)
        return arguments[arguments.index(value)]
    if origin is tuple:
        return tuple(_convert(arguments[0], item) for item in _items(arguments[0], value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), value)
        return {str(key): _convert(arguments[1], item) for key, item in value.items()}
    return _guessed(value) if hint is Any else _convert_scalar(hint, value)


def _convert_union(options: tuple[Any, ...], value: Any) -> Any:
    null = value is None or (isinstance(value, Unquoted) and value in _NULLS)
    if null and types.NoneType in options:
        return None
    for option in options:
        if option is not types.NoneType:
            try:
                return _convert(option, value)
            except (TypeError, ValueError, ArithmeticError):
                continue
    raise TypeError


def _convert_scalar(hint: Any, value: Any) -> Any:
    if isinstance(value, Unquoted) and hint is bool:
        value = _TRUTH.get(value.lower())
    if isinstance(value, Unquoted) and hint is int:
        value = int(value, 0)
    if hint is bool or hint is int:
        return _require(type(value) is hint, value)
    if hint is float:
        _require(not isinstance(value, bool), value)
        return _finite(float(value)) + 0.0  # -0.0 is 0.0
    if hint is str:
        null = isinstance(value, Unquoted) and value in _NULLS
        return str(_require(isinstance(value, str | int | float) and not null, value))
    if hint is Path:
        return Path(_require(isinstance(value, str | Path) and str(value) != "", value))
    raise NotImplementedError(f"a config field of type {hint} cannot be read")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _items(hint: Any, value: Any) -> list[Any]:
    """A list as it is; "a,b" and a single value, as the command line gives them, as a list."""
    if isinstance(value, str):
        return [Unquoted(item.strip()) for item in value.split(",") if item.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _require(holds: bool, value: Any) -> Any:
    if not holds:
        raise TypeError
    return value


def _require_mapping(path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path} is {value!r}: give a mapping of its fields")
    return value


def _with_prefix(prefix: str, message: str) -> str:
    """Name the group of a message that does not name it itself."""
    return message if not prefix or prefix in message else f"{prefix.rstrip('.')}: {message}"


def _field_helps(config_class: type) -> Mapping[str, str]:
    """Return the entries of the class docstring's "Attributes:" section, one line each."""
    _, _, section = inspect.cleandoc(config_class.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


_PARAM_LENGTH = 6000


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values by dotted name, as text of at most MLflow's length."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[f"{prefix}{name}"] = text[:_PARAM_LENGTH]
    return flat
