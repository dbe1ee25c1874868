"""Engines by name: an explicit map from a run's choice to what makes its engines."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError
from domino.engines.base import EngineError

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.stages.context import EngineFactory
    from domino.engines.base import Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineKind:
    """What the harness knows of an engine.

    Attributes:
        modules: its code, which is part of the addresses of a run's stages.
        make: an engine from (run, model directory, directory of a PEFT adapter or None).
        identity: the options that can change a text; where and how fast it runs is none of them.
        check: refuses, before any work, a machine that cannot have it.
        solver: the engine that solves the problems in its place, for every method, where it cannot
            load a fine-tuned backbone.
    """

    modules: tuple[str, ...]
    make: Callable[[RunConfig, str, Path | None], Engine]
    identity: Callable[[RunConfig], Mapping[str, Any]] = lambda config: {}
    check: Callable[[RunConfig], None] = lambda config: None
    solver: str | None = None


def _transformers(config: RunConfig, model: str, adapter: Path | None) -> Engine:
    from domino.engines.transformers_engine import TransformersEngine

    return TransformersEngine.load(model, adapter=adapter, attention=config.attention)


def _vllm(config: RunConfig, model: str, adapter: Path | None) -> Engine:
    from domino.engines.vllm_engine import VllmEngine

    return VllmEngine(model, config.vllm, adapter=adapter)


def _openai(config: RunConfig, model: str, adapter: Path | None) -> Engine:
    from domino.engines.openai_engine import OpenaiEngine

    if adapter is not None:
        raise EngineError(f"engine openai cannot load the adapter {str(adapter)!r}")
    return OpenaiEngine(model, config.openai)


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


def _openai_identity(config: RunConfig) -> Mapping[str, Any]:
    return {"base_url": config.openai.base_url, "model": config.openai.model}


ENGINES: Mapping[str, EngineKind] = MappingProxyType(
    {
        "transformers": EngineKind(
            modules=("domino.engines.transformers_engine",), make=_transformers
        ),
        "vllm": EngineKind(
            modules=("domino.engines.vllm_engine", "domino.engines.vllm_worker"),
            make=_vllm,
            identity=_vllm_identity,
            check=_check_vllm,
        ),
        "openai": EngineKind(
            modules=("domino.engines.openai_engine",), make=_openai, identity=_openai_identity,
            solver="transformers",
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


def solver_factory(config: RunConfig) -> EngineFactory | None:
    """Return what makes the engines that solve the problems, None where the run's own does."""
    name = ENGINES[config.engine].solver
    return None if name is None else engine_factory(replace(config, engine=name))


def engine_identity(config: RunConfig) -> Mapping[str, Any]:
    """Return what the texts of a run's engine depend on, beside its code and the model."""
    return {"name": config.engine, **ENGINES[config.engine].identity(config)}
