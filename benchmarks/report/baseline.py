"""A baseline file of a few kB: what every method of a run solved, seed by seed, to be committed."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.fields import ConfigError, closest
from benchmarks.common.files import write_atomically
from domino.text import load_json

if TYPE_CHECKING:
    from benchmarks.report.comparisons import Group

BASELINE = "baseline"
VERSION = 1
_STEPS = 255
"""A share of samples is stored in this many steps."""
_MOST_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """The outcomes of an earlier run's methods, and what its problems were."""

    path: Path
    problems: str
    tables: Mapping[str, NDArray[np.float64]]

    def table(self, name: str, problems: Sequence[str]) -> NDArray[np.float64]:
        """Return a method's Pass@1 [runs, problems].

        Raises:
            ConfigError: the baseline has no such method, or is of other problems.
        """
        if self.problems != problems_digest(problems):
            raise ConfigError(
                f"baseline {self.path} is of other problems than the run: write one of a run on "
                "the same problems with --write-baseline"
            )
        if name not in self.tables:
            raise ConfigError(
                f"baseline {self.path} has no method {name!r}{closest(name, self.tables)}: there "
                f"are {', '.join(self.tables)}"
            )
        return self.tables[name]


def problems_digest(problems: Sequence[str]) -> str:
    """Return what is equal for equal problems in one order."""
    return hashlib.sha256("\n".join(problems).encode()).hexdigest()


def write_baseline(group: Group, path: Path) -> None:
    """Write the outcomes of a run's complete methods.

    Raises:
        ConfigError: there is none.
        StoreError: the file cannot be written.
    """
    if not group.tables:
        raise ConfigError("no method has been scored with every seed: there is no baseline")
    values = {
        "version": VERSION,
        "problems": problems_digest(group.problems),
        "count": len(group.problems),
        "methods": {name: list(map(_packed, table)) for name, table in group.tables.items()},
    }
    write_atomically(path, json.dumps(values, indent=1) + "\n")


def read_baseline(path: Path) -> Baseline:
    """Return a baseline.

    Raises:
        ConfigError: the file cannot be read, or is none.
    """
    try:
        values = load_json(path.read_bytes())
        if values["version"] != VERSION:
            raise ValueError(f"version {values['version']!r}, this release reads {VERSION}")
        count = int(values["count"])
        tables = {
            str(name): np.array([_unpacked(row, count) for row in rows])
            for name, rows in values["methods"].items()
        }
    except OSError as error:
        raise ConfigError(f"baseline {path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, zlib.error) as error:
        raise ConfigError(
            f"{path} is not a baseline ({type(error).__name__}: {str(error)[:80]}): write one with "
            "--write-baseline"
        ) from error
    return Baseline(path=path, problems=str(values["problems"]), tables=tables)


def _packed(row: NDArray[np.float64]) -> str:
    shares = np.rint(row * _STEPS).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(shares, 9)).decode()


def _unpacked(text: Any, count: int) -> NDArray[np.float64]:
    data = zlib.decompressobj().decompress(base64.b64decode(text), _MOST_BYTES)
    if len(data) != count:
        raise ValueError(f"{len(data)} outcomes of {count} problems")
    return np.frombuffer(data, dtype=np.uint8).astype(np.float64) / _STEPS
