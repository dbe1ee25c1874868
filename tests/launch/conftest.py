"""The run that every launcher must give the table of."""

from pathlib import Path
from typing import Any

import pytest

from tests.launch import runs


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the suite's files: a run's name holds where they are."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def alone(tiny_backbone: Path, data: Path) -> Any:
    """Table, records and words of the run in one process; a method fails in it."""
    return runs.run(runs.command(data, tiny_backbone, data / "runs"), code=1)
