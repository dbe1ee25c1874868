"""The code in what MLflow shows, executed as it stands there."""

import re
from typing import Any

import mlflow


def run_snippet(words: str) -> dict[str, Any]:
    """Execute the Python of a description, and return what it defines."""
    (snippet,) = re.findall(r"```python\n(.*?)```", words, re.DOTALL)
    uri = mlflow.get_tracking_uri()
    found: dict[str, Any] = {}
    try:
        exec(compile(snippet, "snippet", "exec"), found)
    finally:
        mlflow.set_tracking_uri(uri)
    return found
