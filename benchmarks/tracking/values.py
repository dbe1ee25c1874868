"""Values for MLflow in the forms that it accepts, and its address; does not import MLflow."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.files import sqlite_url

if TYPE_CHECKING:
    from benchmarks.pipeline.rows import SeedRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where MLflow stores runs, and artifacts if its server has no place for them."""

    uri: str
    artifacts: str | None
    dashboard: str


def tracking_place(uri: str | None, output: Path) -> Place:
    """Return the given address, else MLFLOW_TRACKING_URI, else a database next to the runs."""
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if chosen:
        served = chosen.startswith(("http://", "https://"))
        command = f"mlflow server --backend-store-uri {shlex.quote(chosen)} --host 127.0.0.1"
        return Place(uri=chosen, artifacts=None, dashboard=chosen if served else command)
    folder = output.absolute().parent
    local = _database(folder / "mlflow.db")
    command = f"mlflow server --backend-store-uri {shlex.quote(local)} --host 127.0.0.1"
    at_home = folder == Path.cwd() and Path("Makefile").is_file()
    return Place(
        uri=local,
        artifacts=(folder / "mlruns").as_uri(),
        dashboard="make dashboard (then http://127.0.0.1:5000)" if at_home else command,
    )


def _database(path: Path) -> str:
    """Return a database's address in a form that MLflow takes for the same path as SQLAlchemy.

    Where an address is quoted, MLflow makes the folder of the quoted name, unless the address names
    a driver.
    """
    url = sqlite_url(path)
    return url if str(path) in url else url.replace("sqlite:", "sqlite+pysqlite:", 1)


def experiment_note(suite: str) -> str:
    """Return the description of a suite's experiment in MLflow."""
    return (
        f"Synthesis methods compared on {suite}: one parent run per command, whose description "
        "has the comparisons and the Pass@1 table; below it one run per method and seed, whose "
        "curves can be compared. Report, tables and figures: the parent's artifacts, report/."
    )


def row_note(row: SeedRun, invocation: str) -> str:
    """Return the result of one method with one seed, for its run's description."""
    scored, kept = row.evaluated.summary, row.pairs.summary["kept"]
    return (
        f"{row.method}, seed {row.seed}: Pass@1 {100 * scored['pass@1']:.1f} % of "
        f"{scored['problems']} problems; {row.synthesized.summary['drawn']} drawn, {kept} pairs "
        f"kept. Part of {invocation}; whether it differs from other methods: the parent's verdict."
    )


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of nested values by dotted name."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found.update(numbers(value, f"{prefix}{name}."))
        elif isinstance(value, int | float):
            found[f"{prefix}{name}"] = float(value)
    return found


def metric_name(name: str) -> str:
    """Return a name of the characters that MLflow allows; pass@1 becomes pass_at_1."""
    spelled = name.replace("@", "_at_")
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. :/") else "_" for c in spelled)
