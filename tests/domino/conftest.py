"""A backbone trained on a toy universe, once for all tests of the method."""

import pytest

from domino.engines.transformers_engine import TransformersEngine
from tests.domino import toy


@pytest.fixture(scope="session")
def trained():
    """Model and tokenizer that know the toy universe; a user turn ends with <|assistant|>."""
    return toy.train("marker")


@pytest.fixture(scope="session")
def toy_engine(trained):
    return TransformersEngine(*trained)


@pytest.fixture(scope="session")
def toy_directory(trained, tmp_path_factory):
    """The toy backbone as a model directory."""
    directory = tmp_path_factory.mktemp("toy-backbone")
    for part in trained:
        part.save_pretrained(directory)
    return str(directory)
