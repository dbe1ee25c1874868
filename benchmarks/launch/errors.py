"""What a launcher raises."""

from __future__ import annotations


class LaunchError(RuntimeError):
    """The cluster cannot go on: what happened, what to do. Finished stages are kept."""
