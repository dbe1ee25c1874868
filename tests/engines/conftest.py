"""Tiny random models and a tokenizer trained here: real parts, small enough for seconds."""

import threading
from collections import deque

import pytest

from domino.engines import server as server_module
from tests.engines.scripted_server import Answer, Handler, Server
from tests.tiny import make_model, make_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def qwen2(tokenizer):
    return make_model("qwen2", len(tokenizer))


@pytest.fixture(scope="session")
def llama(tokenizer):
    return make_model("llama", len(tokenizer))


@pytest.fixture(scope="module")
def listening():
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def serving(listening):
    """Return what makes the server give these answers."""

    def serve(*answers: Answer) -> Server:
        listening.answers, listening.keys = deque(answers), []
        return listening

    return serve


@pytest.fixture
def without_waits(monkeypatch):
    monkeypatch.setattr(server_module, "_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.0)
