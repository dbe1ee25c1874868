"""Tiny random models and a tokenizer trained here: real parts, small enough for seconds."""

import pytest

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
