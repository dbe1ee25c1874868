"""Which fields do not change a result, and that everything that needs to know agrees on them."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.common.fields import field_types
from benchmarks.config.run_config import RunConfig
from benchmarks.methods import METHODS, load_method
from benchmarks.pipeline.manifest import describe_invocation
from benchmarks.store.identity import digest
from benchmarks.store.store import Store
from domino.records import changes_result
from studies.config import StudyConfig
from studies.presets import load_study
from studies.storage import conditions

PLACES_AND_SPEED = {
    "accelerate", "attention", "cells", "launcher", "local", "output", "ray", "register_mib",
    "store", "tracking_uri",
    "openai.concurrency", "openai.key_variable", "openai.requests_per_minute", "openai.retries",
    "openai.timeout_s",
    "sandbox.allow_unsandboxed", "sandbox.bubblewrap", "sandbox.golds", "sandbox.workers",
    "teacher.concurrency", "teacher.consent", "teacher.key_variable", "teacher.licence",
    "teacher.requests_per_minute", "teacher.retries", "teacher.timeout_s",
    "vllm.data_parallel", "vllm.eager", "vllm.max_sequences", "vllm.memory_share",
    "vllm.start_timeout_s", "vllm.tensor_parallel",
}  # fmt: skip
STATED_BY_DIGEST = {"model", "suite_options", "methods"}
"""Of a study: the digest of what lies there counts, or the study names it itself."""


def undeclared_and_declared(config_class: type, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each field by its dotted path, and whether it changes a result."""
    for item in dataclasses.fields(config_class):
        inner = field_types(config_class)[item.name]
        if changes_result(item) and dataclasses.is_dataclass(inner):
            yield from undeclared_and_declared(inner, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", changes_result(item)


FIELDS = dict(undeclared_and_declared(RunConfig))


def changed(config: RunConfig, path: str) -> RunConfig:
    """Return the config with another value in one field, whether or not it is a valid one."""
    copied = inner = copy.copy(config)
    *folders, name = path.split(".")
    for folder in folders:
        object.__setattr__(inner, folder, copy.copy(getattr(inner, folder)))
        inner = getattr(inner, folder)
    value = getattr(inner, name)
    object.__setattr__(inner, name, [*value, 999] if isinstance(value, tuple) else f"not {value}")
    return copied


def test_the_fields_of_a_run_that_do_not_change_a_result_are_these() -> None:
    assert {path for path, changes in FIELDS.items() if not changes} == PLACES_AND_SPEED


@pytest.mark.parametrize("method", METHODS)
def test_of_a_method_only_the_distance_of_checkpoints_does_not_change_a_result(method: str) -> None:
    config_class: Any = getattr(load_method(method), "config_class", None)
    if dataclasses.is_dataclass(config_class):
        fields = undeclared_and_declared(config_class)
        assert {path for path, changes in fields if not changes} <= {"checkpoint_every"}


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_is_part_of_keys_and_names_where_it_can_change_a_result(
    path: str, tmp_path: Path
) -> None:
    first, second = RunConfig(), changed(RunConfig(), path)
    store = Store(tmp_path)

    def key(config: RunConfig) -> str:
        return store.stage("any", config={"config": config}, inputs=[], code="").address

    assert (digest(first) != digest(second)) == FIELDS[path]
    assert (key(first) != key(second)) == FIELDS[path]
    assert (run_name(first) != run_name(second)) == FIELDS[path]


@pytest.mark.parametrize("path", FIELDS)
def test_a_study_compares_trials_with_equal_values_of_the_fields_that_change_a_result(
    path: str,
) -> None:
    study = load_study("housestyle-quick")
    other = copy.copy(study)
    object.__setattr__(other, "run", changed(study.run, path))
    matters = FIELDS[path] and path.partition(".")[0] not in STATED_BY_DIGEST
    assert (stated(study) != stated(other)) == matters


def run_name(config: RunConfig) -> str:
    stage = SimpleNamespace(path=Path("stage"))
    kept: Any = SimpleNamespace(
        domain=stage, references=SimpleNamespace(embedded=stage, measures=stage), rows={}
    )
    return describe_invocation(config, {"suite": "any"}, kept, [], {}).name


def stated(study: StudyConfig) -> dict[str, str]:
    pipeline: Any = SimpleNamespace(suite_digest="", references_digest="", model_digest="")
    return conditions(study, pipeline)
