"""Errors of the stages."""

from __future__ import annotations


class StageError(ValueError):
    """A stage cannot work with its config or its inputs: the field, the value, the remedy."""


class BackboneError(StageError):
    """The backbone cannot be loaded, so that no row can continue."""
