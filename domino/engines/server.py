"""What asks an OpenAI-compatible server: how hard, how often again, and never with its key shown.

Both engines of servers ask by it: `openai` (`/completions`) and `chat` (`/chat/completions`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from domino.engines.base import EngineError
from domino.text import load_json

SEEDS = 2**31
"""Seeds that every server takes are below this."""

Endpoint = Literal["/completions", "/chat/completions"]
_HIDDEN = "***"
_WAITS_S = (0.5, 8.0)
"""Before an answer that could not be used is asked for again: at first, and at most."""
_TOO_LONG = ("context length", "context size", "context window")
"""What servers say of a prompt that leaves no room for an answer."""


class NoAnswerError(ValueError):
    """What a server sent with status 200 is not a completion: says what it is instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenaiConfig:
    """Address of the server, and limits on requests.

    Attributes:
        base_url: up to and including /v1, without a key.
        model: the server's name for the backbone; "" is the path of its directory.
        key_variable: environment variable with the key; the key is never stored.
        concurrency: requests that are open at the same time.
        requests_per_minute: maximum number of new requests per minute; null is unlimited.
        retries: of a request that fails temporarily (status 408, 409, 429, 5xx; no completion; no
            connection); the delay doubles each time, or is what the server requests.
        timeout_s: of one request.
    """

    option: ClassVar[str] = "openai"
    """The option of a run whose fields these are, for messages."""

    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    key_variable: str = field(default="OPENAI_API_KEY", metadata={"changes_result": False})
    concurrency: int = field(default=16, metadata={"changes_result": False})
    requests_per_minute: float | None = field(default=None, metadata={"changes_result": False})
    retries: int = field(default=6, metadata={"changes_result": False})
    timeout_s: float = field(default=600.0, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        parts, own = urlsplit(self.base_url), self.option
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"{own}.base_url is {self.base_url!r}: give http://HOST:PORT/v1 or https://..."
            )
        if parts.username or parts.password or parts.query:
            raise ValueError(
                f"{own}.base_url contains a user, a password or a query: give the key in the "
                f"environment variable {self.key_variable}, so that it is not stored"
            )
        if not self.key_variable.isidentifier():
            raise ValueError(
                f"{own}.key_variable is not the name of an environment variable: give the name of "
                "the variable, not the key"
            )
        if self.concurrency < 1:
            raise ValueError(f"{own}.concurrency is {self.concurrency}: give at least 1")
        if self.retries < 0:
            raise ValueError(f"{own}.retries is {self.retries}: give 0 or more")
        if self.timeout_s <= 0:
            raise ValueError(f"{own}.timeout_s is {self.timeout_s}: give more than 0")
        if self.requests_per_minute is not None and self.requests_per_minute <= 0:
            raise ValueError(
                f"{own}.requests_per_minute is {self.requests_per_minute}: give more than 0, "
                "or null"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a server sent for one request.

    Attributes:
        text: of the completion.
        tokens: of the text, as the server counts them; -1 where it does not say.
        prompt_tokens: of what was asked, likewise.
        truncated: whether the limit of tokens ended it.
    """

    text: str
    tokens: int = -1
    prompt_tokens: int = -1
    truncated: bool = False


class Server:
    """One endpoint of a server, and the model there that is asked."""

    def __init__(self, config: OpenaiConfig, model: str, endpoint: Endpoint) -> None:
        self._config, self._model, self._endpoint = config, model, endpoint
        self._pace = Pace(config.requests_per_minute)

    def ask_all(
        self, bodies: Mapping[int, Mapping[str, Any]], on_answer: Callable[[int, Answer], None]
    ) -> None:
        """Ask for every body; the first error ends those that have not begun.

        Args:
            bodies: by number, the fields of each request but for the model.
            on_answer: called in this thread with the number and the answer as each one comes.

        Raises:
            EngineError: the key cannot be sent, or the server cannot be reached, refuses the key
                or the request, or keeps failing. What was answered meanwhile is handed on first.
        """
        pool = ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="server")
        asked = {pool.submit(self._ask, body): number for number, body in bodies.items()}
        try:
            for future in as_completed(asked):
                answer = future.result()
                on_answer(asked.pop(future), answer)
        except EngineError:
            pool.shutdown(cancel_futures=True)
            for future, number in asked.items():
                if _is_answered(future):
                    on_answer(number, future.result())
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _ask(self, body: Mapping[str, Any]) -> Answer:
        """Ask until there is a completion, at most as often as the config says."""
        why = ""
        for attempt in range(self._config.retries + 1):
            if attempt:
                time.sleep(min(_WAITS_S[0] * 2 ** (attempt - 1), _WAITS_S[1]))
            try:
                content = self._sent(body)
                return Answer(text="", truncated=True) if content is None else self._read(content)
            except NoAnswerError as error:
                why = self._without_key(str(error))
        raise EngineError(
            f"the server at {self._config.base_url} answers without a completion, after "
            f"{self._config.retries} retries too: {why}; is {self._config.option}.base_url right "
            "(up to and including /v1)?"
        )

    def _sent(self, body: Mapping[str, Any]) -> bytes | None:
        """Return the body of the server's answer; None where the prompt leaves no room for one."""
        client = self._client
        self._pace.wait()
        chat = self._endpoint == "/chat/completions"
        endpoint = client.chat.completions if chat else client.completions
        try:
            answer = endpoint.with_raw_response.create(model=self._model, **body)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever a server makes it raise
            if self._leaves_no_room(error):
                return None
            raise EngineError(self._why(error)) from None  # its request holds the key
        content: bytes = answer.content
        return content

    def _read(self, content: bytes) -> Answer:
        return read_answer(content, self._endpoint)

    def _leaves_no_room(self, error: Exception) -> bool:
        import openai

        said = str(error).lower()
        return isinstance(error, openai.BadRequestError) and any(one in said for one in _TOO_LONG)

    @cached_property
    def _client(self) -> Any:
        import openai

        return openai.OpenAI(
            base_url=self._config.base_url,
            api_key=self._key or "none",  # local servers want none
            max_retries=self._config.retries,
            timeout=self._config.timeout_s,
        )

    @property
    def _key(self) -> str:
        key = os.environ.get(self._config.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EngineError(
                f"the key in {self._config.key_variable} has a line break or a character that no "
                "key has: set it again"
            )
        return key

    def _without_key(self, said: str) -> str:
        """Return what a server or a library said on one line that can be shown."""
        line = " ".join(said.split())
        return (line.replace(self._key, _HIDDEN) if self._key else line)[:500]

    def _why(self, error: Exception) -> str:
        """Return what went wrong and what to do, without the key."""
        import openai

        server, own = f"the server at {self._config.base_url}", self._config.option
        said = self._without_key(str(error))
        if isinstance(error, openai.APITimeoutError):
            return (
                f"{server} did not answer within {self._config.timeout_s:g} s: increase "
                f"{own}.timeout_s"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = self._without_key(repr(error.__cause__))
            return f"{server} cannot be reached: start it, or correct {own}.base_url ({cause})"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return f"{server} refuses the key in {self._config.key_variable}: {said}"
        if isinstance(error, openai.NotFoundError):
            return (
                f"{server} has no model {self._model!r}, or no {self._endpoint}: give {own}.model "
                f"the name that it serves; it says: {said}"
            )
        if isinstance(error, openai.RateLimitError | openai.InternalServerError):
            wait = error.response.headers.get("Retry-After")
            asked = f" (it asks to wait {wait[:40]} s)" if wait else ""
            return f"{server} keeps failing after {self._config.retries} retries{asked}: {said}"
        return f"{server} refuses the request: {said or type(error).__name__}"


def _is_answered(future: Future[Answer]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def read_answer(content: bytes, endpoint: Endpoint) -> Answer:
    """Return the completion that a server sent.

    Raises:
        NoAnswerError: there is no text of a completion in it.
    """
    try:
        answer = load_json(content)
    except ValueError:
        raise NoAnswerError(f"not JSON: {_shown(content)}") from None
    values = answer if isinstance(answer, dict) else {}
    choices = values.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if values.get("error") or not isinstance(choice, dict):
        raise NoAnswerError(_shown(content))
    truncated = choice.get("finish_reason") == "length"
    text = choice.get("text")
    if endpoint == "/chat/completions":
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if isinstance(message, dict) and text is None and truncated:
            text = ""  # the limit ended a thought, which servers send elsewhere
    if not isinstance(text, str):
        raise NoAnswerError(_shown(content))
    return Answer(
        text=text,
        tokens=_count(values, "completion_tokens"),
        prompt_tokens=_count(values, "prompt_tokens"),
        truncated=truncated,
    )


def _count(values: Mapping[str, Any], name: str) -> int:
    usage = values.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**31 else -1


def _shown(content: bytes) -> str:
    return content[:300].decode("utf-8", "replace") or "nothing"


class Pace:
    """Spaces the beginnings of requests evenly, over all threads."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap_s = 0.0 if per_minute is None else 60 / per_minute
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until the next request may begin."""
        with self._lock:
            now = time.monotonic()
            begins = max(now, self._next)
            self._next = begins + self._gap_s
        time.sleep(begins - now)
