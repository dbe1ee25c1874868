"""A run's config without anything that depends on the machine: file names without folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from benchmarks.common.fields import field_types
from benchmarks.config.run_config import RunConfig
from domino.records import changes_result

_SERVER = ("openai", "base_url")
_PLACES = (
    ("model",), ("embed", "model"), ("suite_options", "dataset"),
    ("suite_options", "references_path"), ("suite_options", "task_ids"),
    ("suite_options", "environment"), ("sandbox", "interpreter"), ("chat_template",),
)  # fmt: skip


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's config without values that depend on the machine; paths become file names."""
    values: dict[str, Any] = deepcopy(dict(config))
    _remove_unkeyed(values, RunConfig)  # records of earlier releases have such fields
    values.get(_SERVER[0], {}).pop(_SERVER[1], None)
    for *sections, name in _PLACES:
        inner = values
        for section in sections:
            inner = inner.get(section, {})
        if isinstance(inner.get(name), str):
            inner[name] = without_place(inner[name])
    return values


def _remove_unkeyed(values: dict[str, Any], config_class: type) -> None:
    """Remove fields that cannot change a result."""
    for name, hint in field_types(config_class).items():
        if not changes_result(config_class.__dataclass_fields__[name]):  # type: ignore[attr-defined]
            values.pop(name, None)
        elif dataclasses.is_dataclass(hint) and isinstance(values.get(name), dict):
            _remove_unkeyed(values[name], hint)  # type: ignore[arg-type]


def without_place(text: str) -> str:
    """Return the file name if the text is a path, else the text."""
    return Path(text).name if text.startswith(("/", "~", "..")) else text
