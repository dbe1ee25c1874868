"""The engine of an OpenAI-compatible server: vLLM's, llama.cpp's, or a hosted one.

It asks `/completions` with the token ids of prompts that this process renders and tokenizes by the
run's own model directory, so that a method's text reaches the model as with every other engine.
Servers that offer chat turns alone cannot continue a user turn or a list, and are not served.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from domino.backbone import load_shape
from domino.engines.base import Completion, EngineError, Request, SoftPrompt
from domino.engines.chat import ChatEngine, ChatFormat
from domino.engines.encoding import EncodedRequest, Results, make_jobs
from domino.text import load_json, storable

if TYPE_CHECKING:
    from domino.records import Sampling

_SEEDS = 2**31  # what every server takes
_HIDDEN = "***"
_WAITS_S = (0.5, 8.0)
"""Before an answer that could not be used is asked for again: at first, and at most."""


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

    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    key_variable: str = field(default="OPENAI_API_KEY", metadata={"changes_result": False})
    concurrency: int = field(default=16, metadata={"changes_result": False})
    requests_per_minute: float | None = field(default=None, metadata={"changes_result": False})
    retries: int = field(default=6, metadata={"changes_result": False})
    timeout_s: float = field(default=600.0, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"openai.base_url is {self.base_url!r}: give http://HOST:PORT/v1 or https://..."
            )
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "openai.base_url contains a user, a password or a query: give the key in the "
                f"environment variable {self.key_variable}, so that it is not stored"
            )
        if not self.key_variable.isidentifier():
            raise ValueError(
                "openai.key_variable is not the name of an environment variable: give the name of "
                "the variable, not the key"
            )
        if self.concurrency < 1:
            raise ValueError(f"openai.concurrency is {self.concurrency}: give at least 1")
        if self.retries < 0:
            raise ValueError(f"openai.retries is {self.retries}: give 0 or more")
        if self.timeout_s <= 0:
            raise ValueError(f"openai.timeout_s is {self.timeout_s}: give more than 0")
        if self.requests_per_minute is not None and self.requests_per_minute <= 0:
            raise ValueError(
                f"openai.requests_per_minute is {self.requests_per_minute}: give more than 0, "
                "or null"
            )


class OpenaiEngine(ChatEngine):
    """Generates text with a server that runs the backbone.

    Args:
        model: directory or hub name of the backbone, for its tokenizer and chat template.
        config: the server.
        chat: how turns become text, where it is not left to the model.

    Raises:
        EngineError: there is no such model.
    """

    takes_embeddings: ClassVar[bool] = False

    def __init__(
        self,
        model: str | Path,
        config: OpenaiConfig | None = None,
        *,
        chat: ChatFormat | None = None,
    ) -> None:
        self.config = OpenaiConfig() if config is None else config
        shape, self.tokenizer = load_shape(model, chat)
        self._shape = shape.get_text_config()
        self._name = self.config.model or str(model)
        self._pace = Pace(self.config.requests_per_minute)

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`.

        Raises:
            EngineError: a prompt is empty or has soft tokens, the key cannot be sent, or the
                server cannot be reached, refuses the key or the request, or keeps failing.
        """
        for index, request in enumerate(requests):
            if isinstance(request.prompt, SoftPrompt):
                raise EngineError(
                    f"request {index} has {len(request.prompt.embeds_PH)} soft tokens, and engine "
                    "openai sends only text: use engine transformers or vllm for this method"
                )
        sampling = self.until_next_turn(sampling, requests)
        results = Results(on_done, requests, self.thoughts)
        jobs = make_jobs(
            self.tokenizer, requests, sampling, results,
            width=self._shape.hidden_size,
            context_tokens=getattr(self._shape, "max_position_embeddings", None) or 2**31,
        )  # fmt: skip
        if jobs:
            self._ask_all(jobs, sampling, results)
        return results.in_order()

    def _ask_all(
        self, jobs: Sequence[EncodedRequest], sampling: Sampling, results: Results
    ) -> None:
        """Ask for every job; the first error ends those that have not begun."""
        pool = ThreadPoolExecutor(self.config.concurrency, thread_name_prefix="openai")
        asked = {pool.submit(self._ask, job, sampling): job for job in jobs}
        try:
            for answer in as_completed(asked):
                results.report(asked[answer].index, answer.result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _ask(self, job: EncodedRequest, sampling: Sampling) -> Completion:
        """Ask until there is a completion, at most as often as the config says."""
        why = ""
        for attempt in range(self.config.retries + 1):
            if attempt:
                time.sleep(min(_WAITS_S[0] * 2 ** (attempt - 1), _WAITS_S[1]))
            try:
                return self._read(job, self._sent(job, sampling))
            except NoAnswerError as error:
                why = self._without_key(str(error))
        raise EngineError(
            f"the server at {self.config.base_url} answers without a completion, after "
            f"{self.config.retries} retries too: {why}; is openai.base_url right (up to and "
            "including /v1)?"
        )

    def _sent(self, job: EncodedRequest, sampling: Sampling) -> bytes:
        """Return the body of the server's answer."""
        client = self._client
        self._pace.wait()
        try:
            answer = client.completions.with_raw_response.create(
                model=self._name,
                prompt=list(job.prompt.ids),
                max_tokens=job.limit,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=job.seed % _SEEDS,
                stop=list(sampling.stop) or None,
            )
        except Exception as error:  # noqa: BLE001 - the boundary: whatever a server makes it raise
            raise EngineError(self._why(error)) from None  # its request holds the key
        content: bytes = answer.content
        return content

    def _read(self, job: EncodedRequest, content: bytes) -> Completion:
        text, tokens, finish_reason = read_answer(content)
        text = storable(text.partition(self.end_of_turn)[0])
        if type(tokens) is not int or not 0 <= tokens <= job.limit:
            tokens = self.count_tokens(text)
        return Completion(
            text=text,
            tokens=tokens,
            prompt_tokens=len(job.prompt),
            truncated=finish_reason == "length",
        )

    @cached_property
    def _client(self) -> Any:
        import openai

        return openai.OpenAI(
            base_url=self.config.base_url,
            api_key=self._key or "none",  # local servers want none
            max_retries=self.config.retries,
            timeout=self.config.timeout_s,
        )

    @property
    def _key(self) -> str:
        key = os.environ.get(self.config.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EngineError(
                f"the key in {self.config.key_variable} has a line break or a character that no "
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

        server = f"the server at {self.config.base_url}"
        said = self._without_key(str(error))
        if isinstance(error, openai.APITimeoutError):
            return (
                f"{server} did not answer within {self.config.timeout_s:g} s: increase "
                "openai.timeout_s"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = self._without_key(repr(error.__cause__))
            return f"{server} cannot be reached: start it, or correct openai.base_url ({cause})"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return f"{server} refuses the key in {self.config.key_variable}: {said}"
        if isinstance(error, openai.NotFoundError):
            return (
                f"{server} has no model {self._name!r}, or no /completions: give openai.model the "
                f"name that it serves; it says: {said}"
            )
        if isinstance(error, openai.RateLimitError | openai.InternalServerError):
            wait = error.response.headers.get("Retry-After")
            asked = f" (it asks to wait {wait[:40]} s)" if wait else ""
            return f"{server} keeps failing after {self.config.retries} retries{asked}: {said}"
        return f"{server} refuses the request: {said or type(error).__name__}"


def read_answer(content: bytes) -> tuple[str, object, object]:
    """Return a completion's text, its number of tokens and why it ended, as the server says.

    Raises:
        NoAnswerError: it does not contain the text of a completion.
    """
    try:
        answer = load_json(content)
    except ValueError:
        raise NoAnswerError(f"not JSON: {_shown(content)}") from None
    values = answer if isinstance(answer, dict) else {}
    choices = values.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    text = choice.get("text") if isinstance(choice, dict) else None
    if values.get("error") or not isinstance(choice, dict) or not isinstance(text, str):
        raise NoAnswerError(_shown(content))
    usage = values.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return text, tokens, choice.get("finish_reason")


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
