"""The environment that holds the libraries of BigCodeBench's tasks, and which tasks it lacks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.suites.base import SuiteError

DEFAULT = Path(".bigcodebench")
"""Where `make bigcodebench-env` builds it."""

_OTHER_REASONS = Path(__file__).with_name("unjudged.tsv")
_QUESTION = (
    "import importlib.util, json, sys; "
    "print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n) is None]))"
)


def interpreter(environment: Path | None) -> Path:
    """Return the Python of the environment.

    Raises:
        SuiteError: there is none.
    """
    python = (environment or DEFAULT) / "bin" / "python"
    if not python.is_file():
        raise SuiteError(
            f"BigCodeBench's libraries are not in {environment or DEFAULT}: run make "
            "bigcodebench-env, or name a virtual environment with environment"
        )
    return python.absolute()


def missing_modules(python: Path, names: Collection[str]) -> frozenset[str]:
    """Return which modules the interpreter cannot import.

    Raises:
        SuiteError: it does not answer.
    """
    command = [str(python), "-I", "-c", _QUESTION, *sorted(names)]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=120)
        return frozenset(json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SuiteError(
            f"environment has {python}, which does not start as a Python ({error}): build it anew "
            "with make bigcodebench-env"
        ) from error


def other_reasons() -> Mapping[str, str]:
    """Return tasks whose own solution cannot pass in the sandbox, with the reason."""
    lines = _OTHER_REASONS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))
