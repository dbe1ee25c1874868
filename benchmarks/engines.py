"""Engines by name: an explicit map from a run's choice to what makes its engines."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.fields import ConfigError
from domino.engines.base import EngineError

if TYPE_CHECKING:
    from benchmarks.config import RunConfig
    from benchmarks.stages.context import EngineFactory
    from domino.engines.base import Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineKind:
    """What the harness knows of an engine.

    Attributes:
        module: its code, which is part of the addresses of a run's stages.
        make: an engine from (run, model directory, directory of a PEFT adapter or None).
        identity: the options that can change a text; where and how fast it runs is none of them.
        check: refuses, before any work, a machine that cannot have it.
    """

    module: str
    make: Callable[[RunConfig, str, Path | None], Engine]
    identity: Callable[[RunConfig], Mapping[str, Any]] = lambda config: {}
    check: Callable[[RunConfig], None] = lambda config: None


def _transformers(config: RunConfig, model: str, adapter: Path | None) -> Engine:
    from domino.engines.transformers_engine import TransformersEngine

    return TransformersEngine.load(model, adapter=adapter, attention=config.attention)


def _vllm(config: RunConfig, model: str, adapter: Path | None) -> Engine:
    from domino.engines.vllm_engine import VllmEngine

    return VllmEngine(model, config.vllm, adapter=adapter)


def _check_vllm(config: RunConfig) -> None:
    from domino.engines.vllm_setup import require_vllm

    require_vllm()


def _vllm_identity(config: RunConfig) -> Mapping[str, Any]:
    packages = importlib.metadata.packages_distributions().get("vllm", [])
    return {
        "dtype": config.vllm.dtype,
        "max_model_tokens": config.vllm.max_model_tokens,
        "versions": [importlib.metadata.version(name) for name in packages],
    }


ENGINES: Mapping[str, EngineKind] = MappingProxyType(
    {
        "transformers": EngineKind(
            module="domino.engines.transformers_engine", make=_transformers
        ),
        "vllm": EngineKind(
            module="domino.engines.vllm_engine", make=_vllm, identity=_vllm_identity,
            check=_check_vllm,
        ),
    }
)  # fmt: skip
"""Engine name to what makes it; a module is imported when its first engine is made."""


def engine_factory(config: RunConfig) -> EngineFactory:
    """Return what makes the engines of a run.

    Raises:
        ConfigError: this machine cannot have the engine that the run names.
    """
    kind = ENGINES[config.engine]
    try:
        kind.check(config)
    except EngineError as error:
        raise ConfigError(str(error)) from error
    return lambda model, adapter: kind.make(config, model, adapter)


def engine_identity(config: RunConfig) -> Mapping[str, Any]:
    """Return what the texts of a run's engine depend on, beside its code and the model."""
    return {"name": config.engine, **ENGINES[config.engine].identity(config)}
