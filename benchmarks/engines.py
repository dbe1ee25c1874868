"""Engines by name: an explicit map from a run's choice to what makes its engines."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.chat_templates import ChatSettings, chat_format
from benchmarks.common.fields import ConfigError
from domino.engines.base import EngineError

if TYPE_CHECKING:
    from domino.attention import Attention
    from domino.engines.base import Engine
    from domino.engines.openai_engine import OpenaiConfig
    from domino.engines.vllm_setup import VllmConfig


class EngineSettings(ChatSettings, Protocol):
    """What of a run an engine is made from."""

    @property
    def engine(self) -> str:
        """Its name."""

    @property
    def attention(self) -> Attention:
        """How the backbone computes attention."""

    @property
    def vllm(self) -> VllmConfig:
        """Of engine vllm."""

    @property
    def openai(self) -> OpenaiConfig:
        """Of engine openai."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineKind:
    """What the harness knows of an engine.

    Attributes:
        modules: its code, which is part of the addresses of a run's stages.
        make: an engine from (run, model directory, directory of a PEFT adapter or None).
        options: of a run, what the engine's texts depend on.
        check: refuses, before any work, a machine that cannot have it.
        solver: the engine that solves the problems in its place, for every method, where it cannot
            load a fine-tuned backbone.
    """

    modules: tuple[str, ...]
    make: Callable[[EngineSettings, str, Path | None], Engine]
    options: Callable[[EngineSettings], Any] = lambda config: {}
    check: Callable[[EngineSettings], None] = lambda config: None
    solver: str | None = None


def _transformers(config: EngineSettings, model: str, adapter: Path | None) -> Engine:
    from domino.engines.transformers_engine import TransformersEngine

    return TransformersEngine.load(
        model, adapter=adapter, attention=config.attention, chat=chat_format(config)
    )


def _vllm(config: EngineSettings, model: str, adapter: Path | None) -> Engine:
    from domino.engines.vllm_engine import VllmEngine

    return VllmEngine(model, config.vllm, adapter=adapter, chat=chat_format(config))


def _openai(config: EngineSettings, model: str, adapter: Path | None) -> Engine:
    from domino.engines.openai_engine import OpenaiEngine

    if adapter is not None:
        raise EngineError(f"engine openai cannot load the adapter {str(adapter)!r}")
    return OpenaiEngine(model, config.openai, chat=chat_format(config))


def _check_vllm(config: EngineSettings) -> None:
    from domino.engines.vllm_setup import require_vllm

    require_vllm()


def _vllm_options(config: EngineSettings) -> Mapping[str, Any]:
    packages = importlib.metadata.packages_distributions().get("vllm", [])
    versions = [importlib.metadata.version(name) for name in packages]
    return {"config": config.vllm, "versions": versions}


ENGINES: Mapping[str, EngineKind] = MappingProxyType(
    {
        "transformers": EngineKind(
            modules=("domino.engines.transformers_engine",), make=_transformers
        ),
        "vllm": EngineKind(
            modules=("domino.engines.vllm_engine", "domino.engines.vllm_worker"),
            make=_vllm,
            options=_vllm_options,
            check=_check_vllm,
        ),
        "openai": EngineKind(
            modules=("domino.engines.openai_engine",),
            make=_openai,
            options=lambda config: config.openai,
            solver="transformers",
        ),
    }
)  # fmt: skip
"""Engine name to what makes it; a module is imported when its first engine is made."""


def engine_factory(config: EngineSettings) -> EngineFactory:
    """Return what makes the engines of a run.

    Raises:
        ConfigError: this machine cannot have the engine that the run names.
    """
    return _factory(config.engine, config)


def _factory(name: str, config: EngineSettings) -> EngineFactory:
    kind = ENGINES[name]
    try:
        kind.check(config)
    except EngineError as error:
        raise ConfigError(str(error)) from error
    return lambda model, adapter: kind.make(config, model, adapter)


def solver_factory(config: EngineSettings) -> EngineFactory | None:
    """Return what makes the engines that solve the problems, None where the run's own does."""
    name = ENGINES[config.engine].solver
    return None if name is None else _factory(name, config)


def engine_identity(config: EngineSettings) -> Mapping[str, Any]:
    """Return the options on which the texts of a run's engine depend."""
    return {"name": config.engine, "options": ENGINES[config.engine].options(config)}


EngineFactory = Callable[[str, Path | None], "Engine"]
"""Makes an engine from (model directory or hub name, directory of a peft adapter or None)."""
