import pytest

from benchmarks.speed.plans import ScalePlan
from benchmarks.speed.scale import AGAIN, MLFLOW, NEW, line, measure


@pytest.mark.slow
def test_eight_times_the_tasks_cost_no_more_each() -> None:
    told = []
    rows = measure(ScalePlan(tasks=(250, 2_000), mlflow=True), on_row=told.append)
    assert told == rows
    assert [row.name for row in rows] == [NEW, AGAIN, MLFLOW] * 2
    small, large = rows[:3], rows[3:]
    for one, other in zip(small, large, strict=True):
        assert other.tasks > 7 * one.tasks
        assert other.exponent is not None
        assert other.exponent < 1.15, line(other)
