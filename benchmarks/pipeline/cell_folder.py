"""The cells of one folder, one file each; processes and machines that share it lose none."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import write_atomically, write_error
from benchmarks.pipeline.cell import Cell
from domino.records import RecordError

FAILED = ".failed"
_PUBLISHED = "manifest.json"  # of a result that was published into the same folder
_WORDS, _METHOD = re.compile("[A-Za-z0-9_+]+"), re.compile("[A-Za-z0-9_.@-]+")
_LENGTH = 80


class CellFolder:
    """A folder of cells.

    A row that failed has a file of another name, so that it never takes the place of an outcome.
    """

    def __init__(self, path: Path) -> None:
        """Use a folder, which is made when the first cell is written."""
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> tuple[dict[str, Cell], list[str]]:
        """Return the cells by the names of their files, and a line for each file that is none.

        A row that failed and then succeeded is its outcome alone.

        Raises:
            ConfigError: the folder is a file, or cannot be read.
        """
        try:
            names = sorted(path.name for path in self.path.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return {}, []
        except OSError as error:
            raise ConfigError(f"cells {self.path}: {error.strerror}; give a folder") from error
        found, strange = {}, []
        for name in names:
            if name.startswith(".") or name == _PUBLISHED:
                continue
            try:
                found[name] = self._read(name)
            except RecordError as error:
                strange.append(f"{self.path / name} is not a cell: {' '.join(str(error).split())}")
        done = {cell.key for cell in found.values() if not cell.failed_in}
        kept = {n: c for n, c in found.items() if not (c.failed_in and c.key in done)}
        return kept, strange

    def find(self, about: Mapping[str, str], method: str, seed: int) -> tuple[str, Cell] | None:
        """Return the outcome of a row with its file's name; None where it is not there.

        Args:
            about: suite and variant, by these names.
            method: of the row.
            seed: of the row.

        Raises:
            ConfigError: the file is not a cell.
        """
        name = file_name(about, method, seed)
        try:
            return name, self._read(name)
        except FileNotFoundError:
            return None
        except RecordError as error:
            raise ConfigError(f"{self.path / name} is not a cell: {error}; remove it") from error

    def write(self, cell: Cell) -> None:
        """Write a cell; an outcome that is there already stays, whoever wrote it.

        Raises:
            StoreError: it cannot be written.
        """
        name = file_name(cell.about, cell.method, cell.seed)
        failed = name.removesuffix(".json") + f"{FAILED}.json"
        with self._lock:
            if (self.path / name).exists():
                return
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise write_error(self.path, error) from error
            write_atomically(self.path / (failed if cell.failed_in else name), cell.to_text())
            if not cell.failed_in:
                (self.path / failed).unlink(missing_ok=True)

    def _read(self, name: str) -> Cell:
        try:
            return Cell.from_text((self.path / name).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise RecordError(f"not UTF-8 text ({error.reason})") from error


def file_name(about: Mapping[str, str], method: str, seed: int) -> str:
    """Return the name of a row's file."""
    data = f"{about['suite']} {about['variant']}".strip()
    return f"{_plain(data, _WORDS)}.{_plain(method, _METHOD)}.{seed}.json"


def _plain(text: str, kept: re.Pattern[str]) -> str:
    """Return text as part of a file's name, with a digest where it could be that of another."""
    words = "-".join(kept.findall(text))
    if len(words) <= _LENGTH and (kept is _WORDS or words == text):
        return words
    return f"{words[:_LENGTH]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
