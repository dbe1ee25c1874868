"""One whole run, made once and shared by all test processes: the store's own locks see to it."""

import os
from pathlib import Path

import pytest

from benchmarks.config.run_config import RunConfig
from benchmarks.report.terminal import Report
from benchmarks.run import execute
from tests.benchmarks import tiny_run

NO_MLFLOW = "an-address-that-mlflow-refuses"


@pytest.fixture(scope="session")
def whole(
    tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunConfig, Report]:
    """The config and the report of an uninterrupted run with two seeds."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with tiny_run.names():
        config = tiny_run.config(
            tiny_backbone, shared / "whole" / "runs", seeds=(0, 1), tracking_uri=NO_MLFLOW
        )
        return config, execute(config, plain=True, make_engine=tiny_run.make_engine)
