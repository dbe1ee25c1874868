from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studies import toy


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with toy.names():
        yield


@pytest.fixture(scope="session")
def no_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that passes for a model's; no objective that is a formula loads it."""
    directory = tmp_path_factory.mktemp("no-backbone")
    (directory / "config.json").write_text('{"model_type": "llama"}')
    for file in ("model.safetensors", "tokenizer.json"):
        (directory / file).touch()
    return directory
