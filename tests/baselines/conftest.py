"""The toy backbone, for the baselines that train soft tokens on it."""

from tests.domino.conftest import toy_directory, toy_engine, trained

__all__ = ["toy_directory", "toy_engine", "trained"]
