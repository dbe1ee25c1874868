"""The engine of a server, against vLLM's own OpenAI-compatible server."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from benchmarks.suites.housestyle.backbone import CHECKPOINT
from domino.engines.openai_engine import OpenaiEngine
from domino.engines.server import OpenaiConfig
from domino.records import Sampling
from tests.vllm.test_vllm_engine import text_requests

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

KEY = "a-key-of-this-test"


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as out, subprocess.Popen(
        [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(CHECKPOINT),
         "--served-model-name", "housestyle", "--host", "127.0.0.1", "--port", str(port),
         "--dtype", "float32", "--enforce-eager", "--max-num-seqs", "16"],
        stdout=out, stderr=subprocess.STDOUT,
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1",
             "VLLM_API_KEY": KEY},
    ) as server:  # fmt: skip
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except URLError:
            time.sleep(0.5)
    raise AssertionError(log.read_text("utf-8", "replace")[-3000:])


def test_its_texts_are_those_of_the_reference_engine(base_url, reference, monkeypatch):
    monkeypatch.setenv("VLLM_TEST_KEY", KEY)
    config = OpenaiConfig(base_url=base_url, model="housestyle", key_variable="VLLM_TEST_KEY")
    engine = OpenaiEngine(CHECKPOINT, config)
    for sampling in (
        Sampling(temperature=0.0, max_new_tokens=32),
        Sampling(temperature=0.0, max_new_tokens=32, stop=("return",)),
    ):
        requests = text_requests(reference) * 3
        assert engine.generate(requests, sampling) == reference.generate(requests, sampling)
