"""Where this user's machine keeps what is slow to make and may be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path | None:
    """Return the folder that DOMINO_CACHE names, else the user's own cache; None without a home."""
    import platformdirs  # not at the top: a worker without a sandbox has the standard library alone

    place = os.environ.get("DOMINO_CACHE")
    try:
        return Path(place) if place else platformdirs.user_cache_path("domino")
    except RuntimeError:  # a user without a home, as containers have
        return None
