"""Frozen config dataclasses from plain values: YAML files and dotted command-line overrides.

Only the types that configs use are read; a wrong key or value is one line that names the field,
the value, and what is expected.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

ConfigT = TypeVar("ConfigT")


class ConfigError(ValueError):
    """A run's configuration is wrong: which field, the value, what is expected."""


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
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} is {value!r}: give {describe_type(hint)}") from error


def convert_text(path: str, hint: Any, text: str) -> Any:
    """Return the text of a command-line option as the type asks for it; "null" is None.

    Raises:
        ConfigError: it cannot be read as that type.
    """
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if text == "null" and types.NoneType in options:
        return None
    if hint is Any:
        return _guessed(text)
    as_it_is = any(o in (str, Path) or typing.get_origin(o) is typing.Literal for o in options)
    is_list = any(typing.get_origin(o) is tuple for o in options) and not text.startswith("[")
    try:
        value = text if as_it_is or is_list else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is {text!r}: give {describe_type(hint)}") from error
    return convert(path, hint, value)


def _guessed(text: str) -> Any:
    """Return YAML's null, number, truth value or list; any other text, a sentence too, is text."""
    if text == "null":
        return None
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float | list) else text


def _convert(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or origin is typing.Union:
        return _convert_union(arguments, value)
    if origin is typing.Literal:
        return _require(value in arguments, value)
    if origin is tuple:
        return tuple(_convert(arguments[0], item) for item in _items(arguments[0], value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), value)
        return {str(key): _convert(arguments[1], item) for key, item in value.items()}
    return value if hint is Any else _convert_scalar(hint, value)


def _convert_union(options: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in options:
        return None
    for option in options:
        if option is not types.NoneType:
            try:
                return _convert(option, value)
            except (TypeError, ValueError):
                continue
    raise TypeError


def _convert_scalar(hint: Any, value: Any) -> Any:
    if hint is bool or hint is int:
        return _require(type(value) is hint, value)
    if hint is float:
        _require(not isinstance(value, bool), value)
        return float(value)  # text too: YAML reads 1e-3 as text
    if hint is str:
        return str(_require(isinstance(value, str | int | float), value))
    if hint is Path:
        return Path(_require(isinstance(value, str | Path) and str(value) != "", value))
    raise NotImplementedError(f"a config field of type {hint} cannot be read")


def _items(hint: Any, value: Any) -> list[Any]:
    """A list as it is; "a,b" and a single value, as the command line gives them, as a list."""
    if isinstance(value, str):
        texts = [item.strip() for item in value.split(",") if item.strip()]
        return texts if hint is str else [yaml.safe_load(text) for text in texts]
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
