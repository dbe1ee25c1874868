"""A small OpenAI-compatible server over an engine of this process, for tests."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from domino.engines.base import Engine, Request
from domino.records import Sampling


@dataclass
class Asked:
    """What the server was asked, and how it shall answer.

    Attributes:
        refusals: status codes of the next answers, before it serves again; None serves.
        keys: the authorisation of each request.
        bodies: what each request said.
        begun: when each request came, in seconds.
        most: requests that were open at the same time, at most.
        delay_s: how long each answer takes.
    """

    refusals: deque[int | None] = field(default_factory=deque)
    keys: list[str | None] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    most: int = 0
    open: int = 0
    delay_s: float = 0.0


ENDPOINTS = ("/v1/completions", "/v1/chat/completions")


@contextmanager
def serving(engine: Engine, tokenizer: Any, name: str) -> Iterator[tuple[str, Asked]]:
    """Serve the engine as the model `name`; yields the base URL and what was asked."""
    asked, lock = Asked(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.keys.append(self.headers["Authorization"])
                asked.bodies.append(body)
                asked.begun.append(time.monotonic())
                asked.open += 1
                asked.most = max(asked.most, asked.open)
                refusal = asked.refusals.popleft() if asked.refusals else None
            time.sleep(asked.delay_s)
            status, values = self.answer(body) if refusal is None else refused(refusal, self)
            with lock:
                asked.open -= 1
            payload = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(payload)

        def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            if body["model"] != name or self.path not in ENDPOINTS:
                return 404, {"error": {"message": f"no model {body['model']}"}}
            with lock:
                return 200, completion(engine, tokenizer, body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def refused(status: int, handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, Any]]:
    """Refuse as hosted servers do: with the key in the message."""
    return status, {"error": {"message": f"refused {handler.headers['Authorization']}"}}


def completion(engine: Engine, tokenizer: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Return the form of an answer of the endpoint that takes such a body."""
    chat = "messages" in body
    if chat:
        text = engine.render(body["messages"])
    else:
        text = tokenizer.decode(body["prompt"], clean_up_tokenization_spaces=False)
    sampling = Sampling(
        temperature=body["temperature"], top_p=body["top_p"], max_new_tokens=body["max_tokens"],
        stop=tuple(body.get("stop") or ()),
    )  # fmt: skip
    (made,) = engine.generate([Request(prompt=text, seed=body["seed"])], sampling)
    said = {"message": {"role": "assistant", "content": made.text}} if chat else {"text": made.text}
    return {
        "id": "1", "object": "text_completion", "created": 0, "model": body["model"],
        "choices": [
            {"index": 0, "finish_reason": "length" if made.truncated else "stop", **said}
        ],
        "usage": {
            "prompt_tokens": made.prompt_tokens, "completion_tokens": made.tokens,
            "total_tokens": made.prompt_tokens + made.tokens,
        },
    }  # fmt: skip
