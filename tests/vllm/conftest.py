"""What the tests with vLLM share: the shipped backbone behind both engines."""

from collections.abc import Iterator

import psutil
import pytest

from benchmarks.suites.housestyle.backbone import CHECKPOINT
from domino.engines.transformers_engine import TransformersEngine
from domino.engines.vllm_engine import VllmEngine
from domino.engines.vllm_setup import VllmConfig

CONFIG = VllmConfig(eager=True, dtype="float32", max_sequences=16)


@pytest.fixture(scope="session")
def reference() -> TransformersEngine:
    return TransformersEngine.load(CHECKPOINT)


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[VllmEngine]:
    with VllmEngine(CHECKPOINT, CONFIG) as engine:
        yield engine


def workers(of: psutil.Process) -> list[psutil.Process]:
    """The living processes of a process's vLLM engines."""
    return [process for process in of.children() if _is_worker(process)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "domino.engines.vllm_worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it ended since it was listed, or nobody has waited for it yet
        return False
