"""Where the published benchmark files are, for the tests that read them."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def shared_data(name: str) -> Path:
    """Return a benchmark file's path, or skip the test where the folder is absent."""
    folder = Path(os.environ.get("DOMINO_TEST_DATA", _ROOT.parent / "shared" / "data"))
    path = folder / name
    if not path.exists():
        pytest.skip(f"{path} is not there: set DOMINO_TEST_DATA to the folder of benchmark files")
    return path
