"""What a stage raises."""

from __future__ import annotations


class StageError(ValueError):
    """A stage cannot work with its config or its inputs: which, the value, what to do."""


class BackboneError(StageError):
    """The backbone cannot be loaded, so that no row can go on."""
