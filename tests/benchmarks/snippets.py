"""The code in what MLflow shows, executed as it stands there."""

import os
import re
from typing import Any

import mlflow


def run_snippet(words: str) -> dict[str, Any]:
    """Execute the Python of a description, and return what it defines."""
    (snippet,) = re.findall(r"```python\n(.*?)```", words, re.DOTALL)
    before = os.environ.get("MLFLOW_TRACKING_URI")
    found: dict[str, Any] = {}
    try:
        exec(compile(snippet, "snippet", "exec"), found)
    finally:
        mlflow.set_tracking_uri(before)  # which sets the variable too
    return found
