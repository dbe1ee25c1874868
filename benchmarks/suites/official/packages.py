"""Where the optional official packages are, and what to do where one is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.suites.base import SuiteError

FOLDER = Path(__file__).resolve().parents[3] / ".official"
"""Where `make official` puts them: apart from the environment, whose requirements differ."""


def require(*modules: str) -> None:
    """Refuse to begin without a package that a protocol or an extraction comes from.

    Raises:
        SuiteError: a module cannot be found.
    """
    make_importable()
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ImportError:
            found = None
        if found is None:
            raise SuiteError(
                f"protocol official needs the package {module.partition('.')[0]}, which is not "
                "installed: run make official, or give --suite_options.protocol plain"
            )


def release(distribution: str) -> str:
    """Return the installed release of a distribution, "missing" where there is none."""
    make_importable()
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def load(module: str) -> Any:
    """Return a module of an official package.

    Raises:
        SuiteError: it cannot be imported.
    """
    make_importable()
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SuiteError(
            f"{module} cannot be imported ({error}): run make official, or give "
            "--suite_options.protocol plain"
        ) from error


@cache
def load_alone(package: str, file: str) -> Any:
    """Return a module of a package without importing the packages above it.

    livecodebench.prompts imports every prompt that it has, and one of them imports names that
    current releases of anthropic no longer have.

    Raises:
        SuiteError: it cannot be imported.
    """
    root = Path(load(package).__file__).parent
    name = f"{package}_{Path(file).stem}"
    spec = importlib.util.spec_from_file_location(name, root / file)
    if spec is None or spec.loader is None or not (root / file).is_file():
        raise SuiteError(f"{package} has no {file}: run make official, which pins its release")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_importable() -> None:
    """Let imports look into the folder of `make official`, behind all others."""
    if FOLDER.is_dir() and str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
