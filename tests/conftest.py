"""What all tests share: few threads, no network, and a tiny random backbone."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read once, when torch, tokenizers, huggingface_hub and mlflow are imported.
for _name, _value in {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "DOMINO_CACHE": str(Path(tempfile.gettempdir(), f"domino-tests-{os.getuid()}")),
}.items():
    os.environ.setdefault(_name, _value)
os.environ.pop("MLFLOW_TRACKING_URI", None)  # no test writes where the user keeps runs

# A busy machine can stall any example for a second; pytest's own timeout catches what hangs.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a random model of a hundred thousand parameters with its tokenizer."""
    from tests.tiny import make_model, make_tokenizer

    directory = tmp_path_factory.mktemp("tiny-backbone")
    make_tokenizer().save_pretrained(directory)
    make_model(max_position_embeddings=1024).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session", autouse=True)
def _tests_that_run_programs_are_skipped_where_nothing_can_be_sandboxed() -> Iterator[None]:
    """Skip a test where it would start the sandbox, on a machine that forbids it.

    Tests that start it in another process say `needs_bubblewrap`, since nothing here is seen there.
    """
    from benchmarks.sandbox.host import Worker
    from tests.sandbox.machine import REFUSAL

    if REFUSAL is None:
        yield
        return
    start = Worker._start

    def start_or_skip(worker: Worker) -> None:
        if worker._config.bubblewrap == "bwrap" and not worker._config.allow_unsandboxed:
            pytest.skip(REFUSAL)
        start(worker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_start", start_or_skip)
        yield
