import pytest

from tests.stages import small


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """The small methods under their names; how often they were fitted starts at zero."""
    monkeypatch.setattr("benchmarks.methods.METHODS", small.METHODS)
    small.Counting.fits.clear()
