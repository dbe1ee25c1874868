"""A run that goes on until its planned comparisons are decided."""

from pathlib import Path

import pytest

from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.report.comparisons import Comparisons
from benchmarks.run import execute
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW


@pytest.mark.parametrize(("decided_at", "seeds"), [(4, 4), (5, 6), (99, 7)])
def test_no_seed_follows_the_analysis_that_decides_every_primary_comparison(
    decided_at: int,
    seeds: int,
    tiny_backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Comparisons, "decided", property(lambda found: found.design.seeds >= decided_at)
    )
    with tiny_run.names():
        config = tiny_run.config(
            tiny_backbone,
            tmp_path / "runs",
            tracking_uri=NO_MLFLOW,
            methods=("no-data", "repeating"),
            seeds=tuple(range(7)),
            compare=ComparisonConfig(until_decided=True),
        )
        report = execute(config, quiet=True, make_engine=tiny_run.make_engine)
    assert report.about["seeds"] == list(range(seeds))
    assert [len(row.scores[0].seeds) for row in report.rows] == [seeds, seeds]
