"""The teacher: a second model, which answers what is drawn for every method alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from benchmarks.common.fields import ConfigError, closest
from benchmarks.engines import TEACHER_ENGINES
from benchmarks.models import model_digest, model_licence, resolve_model
from domino.engines.base import EngineError, Request
from domino.engines.server import OpenaiConfig

if TYPE_CHECKING:
    from benchmarks.engines import EngineSettings
    from domino.attention import Attention
    from domino.engines.base import Engine
    from domino.engines.vllm_setup import VllmConfig
    from domino.records import Sampling

_SERVERS = ("openai", "chat")
_QUESTION = "Reply with the word yes."
_CHECK_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherConfig(OpenaiConfig):
    """Which model the teacher is, and where.

    Attributes:
        model: of responder "teacher": directory, hub name or GGUF file; of a server, the name that
            it serves.
        engine: what runs it: transformers or vllm (on this machine), openai (a server's
            /completions) or chat (a server's /chat/completions).
        tokenizer: of engine openai, directory or hub name of the model's tokenizer; "" is `model`.
        licence: of what it writes, for the report; "" is what its model card states.
        consent: whether texts may be sent to a server that is not this machine.
        base_url: of the server, up to and including /v1, without a key.
        key_variable: environment variable with the key; the key is never stored.
        concurrency: requests that are open at the same time.
        requests_per_minute: maximum number of new requests per minute; null is unlimited.
        retries: of a request that fails temporarily.
        timeout_s: of one request.
    """

    option: ClassVar[str] = "teacher"
    engine: str = "transformers"
    tokenizer: str = ""
    licence: str = field(default="", metadata={"changes_result": False})
    consent: bool = field(default=False, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse an engine that is not known, and a server's options without one."""
        OpenaiConfig.__post_init__(self)
        if self.engine not in TEACHER_ENGINES:
            raise ValueError(
                f"teacher.engine: unknown {self.engine!r}{closest(self.engine, TEACHER_ENGINES)}; "
                f"known: {', '.join(TEACHER_ENGINES)}"
            )
        if not self.is_server and self.base_url != OpenaiConfig().base_url:
            raise ValueError(
                f"teacher.base_url is given, and teacher.engine is {self.engine}, which asks no "
                "server: give --teacher.engine chat or openai, or leave the address out"
            )
        if self.tokenizer and self.engine != "openai":
            raise ValueError(
                f"teacher.tokenizer is of engine openai, and teacher.engine is {self.engine}: "
                "leave it out"
            )

    @property
    def is_server(self) -> bool:
        """Whether it is asked at a server."""
        return self.engine in _SERVERS

    @property
    def is_elsewhere(self) -> bool:
        """Whether what it is asked leaves this machine."""
        host = urlsplit(self.base_url).hostname or ""
        if not self.is_server or host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Settings:
    """What the teacher's engine is made from; its turns are left to the model."""

    engine: str
    attention: Attention
    vllm: VllmConfig
    openai: OpenaiConfig
    chat_template: Path | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict)
    thought_end: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Teacher:
    """A run's teacher, found.

    Attributes:
        config: the run's.
        model: its directory; of engine chat, its name.
        digest: of its files; "" of engine chat.
        licence: of what it writes.
        settings: what its engine is made from.
    """

    config: TeacherConfig
    model: str
    digest: str
    licence: str
    settings: _Settings

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its texts depend on in addition to code: the digest, or address and name."""
        config = self.config
        found: dict[str, Any] = {"engine": config.engine, "digest": self.digest}
        if config.is_server:
            return found | {"base_url": config.base_url.rstrip("/"), "name": config.model}
        return found | {"options": TEACHER_ENGINES[config.engine].options(self.settings)}

    @property
    def modules(self) -> tuple[str, ...]:
        """Its engine's code."""
        return TEACHER_ENGINES[self.config.engine].modules

    def make(self) -> Engine:
        """Return an engine of it.

        Raises:
            EngineError: it cannot be loaded.
        """
        return TEACHER_ENGINES[self.config.engine].make(self.settings, self.model, None)

    def describe(self) -> dict[str, str]:
        """Return what reports say of it."""
        return {
            "model": self.config.model,
            "digest": self.digest,
            "engine": self.config.engine,
            "licence": self.licence,
        }

    def check(self, sampling: Sampling) -> None:
        """Ask it one short question, and wait for the answer for a minute at most.

        Raises:
            ConfigError: it cannot be loaded or reached, or answers nothing.
        """
        config = self.config
        hasty = replace(config, retries=0, timeout_s=min(config.timeout_s, _CHECK_S))
        hurried = replace(self, settings=replace(self.settings, openai=hasty))
        try:
            with hurried.make() as engine:
                prompt = engine.render([{"role": "user", "content": _QUESTION}])
                (answer,) = engine.generate([Request(prompt=prompt, seed=0)], sampling)
        except EngineError as error:
            raise ConfigError(f"teacher {config.model!r}: {error}") from error
        thought = answer.truncated and answer.tokens > 0  # and the limit came before the answer
        if not answer.text.strip() and not thought:
            raise ConfigError(
                f"teacher {config.model!r} answers nothing: asked for a word, it sends an empty "
                f"text{' (its context has no room for the answer)' if answer.truncated else ''}: "
                "give another model, or a smaller --response_sampling.max_new_tokens"
            )


def find_teacher(
    config: TeacherConfig, run: EngineSettings, cache: Path, tell: Callable[[str], None]
) -> Teacher:
    """Return the teacher that a run names.

    Args:
        config: of the teacher.
        run: whose attention and vLLM settings a teacher on this machine shares.
        cache: directory below which digests are remembered.
        tell: called with one line where a file is converted first, which takes a while.

    Raises:
        ConfigError: there is no such model, or this machine cannot have the engine.
        StoreError: the cache cannot be written.
    """
    settings = _Settings(
        engine=config.engine, attention=run.attention, vllm=run.vllm, openai=config
    )
    try:
        TEACHER_ENGINES[config.engine].check(settings)
        if config.engine == "chat":
            licence = config.licence or "unknown"
            return Teacher(
                config=config, model=config.model, digest="", licence=licence, settings=settings
            )
        directory = resolve_model(
            config.tokenizer or config.model, tell, weights=not config.is_server
        )
    except (ConfigError, EngineError) as error:
        raise ConfigError(f"teacher: {error}") from error
    return Teacher(
        config=config,
        model=str(directory),
        digest=model_digest(directory, cache),
        licence=config.licence or model_licence(directory),
        settings=settings,
    )
